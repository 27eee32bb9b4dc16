#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Extracting what a hostile signer made: nothing outside the folder is
touched, nothing but regular files and folders is made, and what does not agree
with the log is an error.
"""
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import make_bundle                      # noqa: E402
from breaks import line_edit, put       # noqa: E402

DRIVER = os.path.join(os.environ['DRIVERS'], 'bundle_read_driver')
FAILED = []


def wrong(what, *more):
    FAILED.append(what)
    print('WRONG: %s:' % what, *more)


def extract(top, hooks, *options):
    """(exit status, what was said, {path: bytes})"""
    bundle, out = os.path.join(top, 'b'), os.path.join(top, 'out')
    for path in (bundle, out):
        shutil.rmtree(path, ignore_errors=True)
    os.mkdir(bundle)
    maker = make_bundle.Maker(7, hooks=hooks)
    for name, data in maker.make().items():
        with open(os.path.join(bundle, name), 'wb') as f:
            f.write(data)
    before = snapshot(top, ('b', 'out'))
    done = subprocess.run([DRIVER, 'extract', '-k', maker.keys()[0], '-o',
                           out, *options, bundle], capture_output=True,
                          text=True, check=False, timeout=60)
    if snapshot(top, ('b', 'out')) != before:
        wrong('outside', 'something was made beside the folder')
    files = {}
    for folder, folders, names in os.walk(os.fsencode(out)):
        for name in folders + names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                wrong('kind', path)
            if stat.S_ISREG(mode):
                with open(path, 'rb') as f:
                    files[os.path.relpath(path, os.fsencode(out))] = f.read()
    return done.returncode, done.stdout, files


def snapshot(top, leave):
    return sorted(os.path.join(d, n) for d, ds, ns in os.walk(top)
                  for n in ds + ns
                  if os.path.relpath(os.path.join(d, n), top)
                  .split(os.sep)[0] not in leave)


def tree(*names):
    """The file set holds these paths; their lines say the same."""
    return {'tree': lambda old: [(n, n.encode()) for n in names]}


def entry(name, kind=tarfile.REGTYPE, link='', data=b''):
    """One more entry at the end of the archive."""
    def edit(raw):
        out = io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(raw)) as old, \
                tarfile.open(fileobj=out, mode='w',
                             format=tarfile.PAX_FORMAT) as new:
            for info in old:
                new.addfile(info, old.extractfile(info))
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            new.addfile(info, io.BytesIO(data))
        return out.getvalue()
    return {'tar': edit}


def good(what, top, hooks, want):
    status, said, files = extract(top, hooks)
    if status != 0:
        wrong(what, status, said)
    got = {k[len(b'e000003-disk.img/'):] for k in files
           if k.startswith(b'e000003')}
    if want is not None and got != want:
        wrong(what, got)


def bad(what, top, hooks):
    status, said, _ = extract(top, hooks)
    if status != 1:
        wrong(what, status, said)


def bomb(frame):
    """A frame of 64 MiB of zeros."""
    data = bytes(64 << 20)
    return make_bundle.zstd(data) if len(frame) > 200 else frame


def main():
    with tempfile.TemporaryDirectory() as top:
        good('as it is', top, {}, None)
        good('dots', top, tree('../../../escape', 'a/../../../b', './c/./d'),
             {b'%2E%2E/%2E%2E/%2E%2E/escape', b'a/%2E%2E/%2E%2E/%2E%2E/b',
              b'c/d'})
        good('slashes', top, tree('/etc//passwd', '//x'), {b'etc/passwd', b'x'})
        good('odd', top, tree('-rf', 'a\nb', '\u202egpj.exe', 'con', 'x' * 255),
             {b'-rf', b'a\nb', '\u202egpj.exe'.encode(), b'con', b'x' * 255})
        bad('twins', top, tree('../x', '%2E%2E/x'))
        bad('file as folder', top, tree('a', 'a/b'))
        bad('folder as file', top, tree('a/b', 'a'))
        bad('too long a name', top, tree('x' * 256))
        bad('no name', top, tree(''))
        bad('dot only', top, tree('.'))
        for what, kind in (('link', tarfile.SYMTYPE), ('hard', tarfile.LNKTYPE),
                           ('fifo', tarfile.FIFOTYPE),
                           ('device', tarfile.CHRTYPE),
                           ('folder', tarfile.DIRTYPE)):
            bad('entry: ' + what, top, entry('[root]/x', kind, '/etc/passwd'))
        bad('entry without line', top, entry('[root]/more', data=b'x'))
        bad('entry outside', top, entry('etc/passwd', data=b'x'))
        bad('entry absolute', top, entry('/etc/passwd', data=b'x'))
        bad('no archive', top, {'tar': lambda raw: b'x' * 2048})
        bad('archive cut', top, {'tar': lambda raw: raw[:700]})
        bad('bomb', top, {'frame': bomb})
        bad('no frame', top, {'frame': lambda frame: b'x' * len(frame)})
        bad('two frames', top, {'frame': lambda frame: frame + frame})
        bad('bytes after the frame', top, {'frame': lambda frame: frame + b'x'})
        bad('whole digest', top, line_edit('exhibit', put(sha256='0' * 64), 1)())
        bad('file digest', top, line_edit('file', put(sha256='0' * 64))())
        bad('file size', top, line_edit('file', put(size=1))())
        bad('file elsewhere', top, line_edit('file', put(path='/etc/x'))())
        good('link line', top, line_edit('file', put(
            kind='dir', path_b64=make_bundle.b64(b'/../d')), 4)(), None)
        for what, name, want in (
                ('slash', '/dev/../../x y', b'e000002-x-y'),
                ('dots', '..', b'e000002'), ('empty', '', b'e000002'),
                ('long', 'a' * 300, b'e000002-' + b'a' * 88)):
            _, said, files = extract(top, line_edit('exhibit', put(name=name),
                                                    1)())
            if want not in files:
                wrong('name ' + what, said, list(files))
    print('%d wrong' % len(FAILED))
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
