// What programs.sh runs in node.exe with sharp: libvips and its codecs, all of them DLLs that allocate
// through the C runtime. Deterministic; prints a checksum of each picture.
//
//   node.exe sharp.js <folder with the package sharp in it>
'use strict';

const crypto = require('crypto');
const path = require('path');

const sharp = require(path.join(process.argv[2], 'sharp'));

sharp.concurrency(2);

// A picture without a file: waves in three channels.
function waves(width, height, step) {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const at = (y * width + x) * 3;
      pixels[at] = (x * step + y) & 255;
      pixels[at + 1] = (x ^ y) & 255;
      pixels[at + 2] = (x * y >> 6) & 255;
    }
  }
  return sharp(pixels, {raw: {width, height, channels: 3}});
}

function sha(data) {
  return crypto.createHash('sha256').update(data).digest('hex').slice(0, 16);
}

async function main() {
  for (let round = 1; round <= 3; ++round) {
    const png = await waves(900, 700, round).png({compressionLevel: 6}).toBuffer();
    console.log(`round ${round}: png ${png.length}, ${sha(png)}`);
    const made = {
      jpeg: (image) => image.resize(640).jpeg({quality: 80}),
      webp: (image) => image.resize(320, 320).rotate(90).webp({effort: 2}),
      blurred: (image) => image.blur(4).greyscale().png(),
      tiff: (image) => image.extract({left: 10, top: 10, width: 500, height: 400}).tiff(),
      sharpened: (image) => image.sharpen().modulate({saturation: 1.5}).jpeg(),
    };
    for (const [name, change] of Object.entries(made)) {
      const result = await change(sharp(png)).toBuffer();
      const {width, height} = await sharp(result).metadata();
      console.log(`round ${round}: ${name} ${width}x${height}, ${result.length}, ${sha(result)}`);
    }
    const small = await Promise.all(Array.from({length: 40}, (_, i) =>
        sharp(png).resize(20 + i).raw().toBuffer()));
    console.log(`round ${round}: ${small.length} thumbnails, ${sha(Buffer.concat(small))}`);
  }
}

main();
