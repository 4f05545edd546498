// What programs.sh runs in Wine's cscript.exe (JScript): objects, strings, arrays, sorting, regular
// expressions. Every value of this engine is a block of the heap.
var words = 'heap block page slice arena magazine depot slab bin reserve commit release'.split(' ');
var state = 12345;
function random(below) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return state % below;
}

var seen = {};
var lines = [];
for (var i = 0; i < 6000; ++i) {
    var parts = [];
    for (var j = 0; j < 6; ++j) parts.push(words[random(words.length)]);
    var line = parts.join(' ') + ' ' + i;
    seen[parts[0]] = (seen[parts[0]] || 0) + 1;
    lines.push(line.replace(/slab|bin/g, 'S').toUpperCase());
}
lines.sort();
var sum = 0;
for (var k = 0; k < lines.length; ++k) sum = (sum * 31 + lines[k].charCodeAt(lines[k].length - 1)) & 0xffffff;
var counts = [];
for (var word in seen) counts.push(word + '=' + seen[word]);
WScript.Echo(counts.sort().join(' '));
WScript.Echo('first: ' + lines[0]);
WScript.Echo('sum ' + sum);
