# Wine 10 in a folder of its own, build/wine10: a small Debian 13 that programs are started in by chroot.
# Its default heap has a low-fragmentation heap and its C runtimes use the process heap, as on Windows;
# Debian 12's Wine has neither, and anything looks fast beside it. Sourced after lib.sh.

wine10_root=$STRATA_BUILD/wine10
wine10_release=trixie
wine10_why=

# The archive that this machine's own packages come from, as apt has it.
wine10_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Component: main' |
    awk '$2 !~ /-(security|updates|backports)$/ { print $1; exit }'
}

wine10_mounts() {
  mountpoint -q "$wine10_root/proc" || mount -t proc proc "$wine10_root/proc" || return 1
  # Wine knows the processors from there.
  mountpoint -q "$wine10_root/sys" || mount -t sysfs -o ro sysfs "$wine10_root/sys" || return 1
  mountpoint -q "$wine10_root/dev" || mount --rbind /dev "$wine10_root/dev" || return 1
  mount --make-rslave "$wine10_root/dev" 2>/dev/null || true
}

# wine10_unmount: undoes wine10_mounts. build/ can then be deleted without reaching into /dev.
wine10_unmount() {
  local folder
  umount -R "$wine10_root/dev" 2>/dev/null || umount -R -l "$wine10_root/dev" 2>/dev/null || true
  for folder in sys proc; do
    umount "$wine10_root/$folder" 2>/dev/null || umount -l "$wine10_root/$folder" 2>/dev/null || true
  done
}

wine10_debootstrap() {
  local mirror
  mirror=$(wine10_mirror)
  [ -n "$mirror" ] || { echo "apt's configuration names no archive"; return 1; }
  rm -rf --one-file-system "$wine10_root.part"
  debootstrap --variant=minbase --include=wine,wine64 "$wine10_release" "$wine10_root.part" "$mirror" &&
    rm -rf --one-file-system "$wine10_root.part/var/cache/apt/archives" &&
    mv -T "$wine10_root.part" "$wine10_root"
}

# wine10_prepare: makes what is missing and sets STRATA_WINE, the command that starts a program there.
# When it cannot be had, wine10_why says why, in one line.
wine10_prepare() {
  if [ "$(id -u)" -ne 0 ]; then
    wine10_why="a chroot needs root"
    return 1
  fi
  if [ ! -x "$wine10_root/usr/bin/wine" ]; then
    command -v debootstrap >/dev/null || strata_apt_install debootstrap >/dev/null 2>&1 || {
      wine10_why="debootstrap could not be installed"
      return 1
    }
    STRATA_TAIL=8 strata_step "Wine 10: a Debian 13 in build/wine10 (1.4 GB)" wine10_debootstrap || {
      wine10_why="debootstrap failed (build/logs has its output)"
      return 1
    }
  fi
  wine10_mounts || {
    wine10_why="/proc, /sys and /dev could not be mounted in it"
    return 1
  }
  STRATA_WINE="chroot $wine10_root /usr/bin/env -C / HOME=/root WINEPREFIX=/root/prefix wine"
  STRATA_WINEPREFIX=$wine10_root/root/prefix
  export STRATA_WINE STRATA_WINEPREFIX
}
