#!/bin/sh
# A repository made on the spot: 120 commits by fast-import, some by hand, branches, merges, a repack with two
# threads, a clone, a bundle, and what git says about all of it.   git.sh STREAM
set -eu
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat GIT_EDITOR=: GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='1700000000 +0000'
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_COMMITTER_DATE='1700000000 +0000'

git init --quiet --initial-branch=main made
cd made
git config gc.auto 0
git fast-import --quiet --date-format=raw <"$1"
git checkout --quiet main
for n in 1 2 3; do
  git checkout --quiet -b "side$n" "main~$((n * 20))"
  seq "$n" 3 2000 >"side$n.txt"
  git add "side$n.txt"
  git commit --quiet -m "side $n"
  git checkout --quiet main
  git merge --quiet -m "merge $n" "side$n"
done
# Two threads share the search for deltas as time has it, so that what they write may differ from run to run; it is
# checked, and written again by one.
git repack -a -d -f -q --depth=50 --window=20 --threads=2
git fsck --full --strict --no-progress
git config pack.threads 1
git repack -a -d -f -q
git gc --quiet --prune=now
git log --stat --format='%H %an %ad %s' --date=raw | sha256sum
git log -p --all --format=%H | sha256sum
git log --format=%H -S'line 77 ' -- 'dir*' | sha256sum
git blame --porcelain dir1/file3.txt | sha256sum
git grep -c -e 'line [0-9]*7 ' main | sha256sum
git diff main~80 main --stat | tail -n 1
git shortlog -s main
git tag -a -m 'a tag' v1 main~3
git describe --tags main
git for-each-ref
git cat-file --batch-all-objects --batch-check --unordered | sort | sha256sum
git bundle create --quiet ../all.bundle --all
cd ..
git clone --quiet --no-hardlinks made cloned
git -C cloned fsck --full --no-progress
git clone --quiet all.bundle unbundled
git -C unbundled rev-list --all | sort | sha256sum
git -C cloned archive --format=tar main | sha256sum
git -C cloned checkout --quiet -b topic origin/side3
git -C cloned rebase --quiet main~2
git -C cloned log -3 --format='%T %s' topic
