# SPDX-License-Identifier: Apache-2.0
"""Bundles of which one thing is wrong: BREAKS = {name: Break}.

A Break has the rule of FORMAT.md that a verifier must name ('' where it must
say that it cannot tell), options for Maker (encrypted: the verifier is given
IDENTITY), hooks() for it, and perhaps a head that the reader kept.  What depends
on the thing (digests, lists, signatures) is made anew by Maker, so that only
the rule itself can refuse it.
"""
import json
import re

BREAKS = {}


class Break:
    def __init__(self, rule, hooks, head=None, keys=None, **options):
        self.rule, self.hooks, self.options = rule, hooks, options
        self.keys = keys           # (maker) -> keys that the reader names
        self.head = head           # (maker) -> a head that the reader kept


def add(name, rule, hooks, **options):
    assert name not in BREAKS, name
    BREAKS[name] = Break(rule, hooks, **options)


# ---- the stream: F1 to F7 ---------------------------------------------------

def headers(stream):
    """Offsets of the headers."""
    at = 0
    while stream[at]:
        yield at
        size = int(stream[at + 124:at + 135], 8)
        at += 512 + (size + 511) // 512 * 512


def with_sum(block, form=b'%06o\0 '):
    block = bytearray(block)
    block[148:156] = b' ' * 8
    block[148:156] = form % sum(block)
    return bytes(block)


def header_edit(at, data, number=2, form=b'%06o\0 '):
    """Writes data into the header of the member of that number."""
    def edit(stream):
        start = list(headers(stream))[number]
        block = bytearray(stream[start:start + 512])
        block[at:at + len(data)] = data
        return stream[:start] + with_sum(block, form) + stream[start + 512:]
    return lambda: {'stream': edit}


for _name, _at, _data in (
        ('mode', 100, b'0000755\0'), ('mode-spaces', 100, b'   644 \0'),
        ('uid', 108, b'0001750\0'), ('gid', 116, b'0000001\0'),
        ('size-base256', 124, b'\x80' + bytes(10) + b'\x40'),
        ('size-space', 135, b' '), ('mtime-sign', 136, b'-'),
        ('type-old', 156, b'\0'), ('type-link', 156, b'1'),
        ('type-symlink', 156, b'2'), ('type-device', 156, b'3'),
        ('type-folder', 156, b'5'), ('type-contiguous', 156, b'7'),
        ('type-pax', 156, b'x'), ('type-pax-global', 156, b'g'),
        ('type-gnu-long', 156, b'L'), ('type-gnu-sparse', 156, b'S'),
        ('linkname', 157, b'x'), ('magic-gnu', 257, b'ustar  \0'),
        ('version', 263, b'01'), ('uname', 265, b'root'),
        ('gname', 297, b'root'), ('devmajor', 329, b'0000001\0'),
        ('devminor-blank', 337, b'\0' * 8), ('prefix', 345, b'x'),
        ('last-bytes', 511, b'x'), ('name-garbage', 99, b'x'),
        ('folder', 0, b'X')):
    add('header-' + _name, 'F4', header_edit(_at, _data))
add('header-sum-old-form', 'F4', header_edit(0, b'I', form=b'%06o \0'))
add('header-sum-7-digits', 'F4', header_edit(0, b'I', form=b'%07o\0'))
add('no-folder', 'F4', header_edit(0, b'manifest.json' + bytes(87)))
add('folder-dot', 'F1', header_edit(0, b'.'))
add('folder-empty', 'F1', header_edit(0, b'/x' + bytes(98)))
add('other-time', 'F5', header_edit(136, b'00000000001'))


def other_start():
    def info(text):
        return text.replace('Crashcart-Start: 1790000000',
                            'Crashcart-Start: 1790000001')
    return {'info': info}


add('start-is-not-time', 'F5', other_start)


def path_break(path):
    def edit(stream):
        start = list(headers(stream))[3]
        block = bytearray(stream[start:start + 512])
        top = bytes(block[:block.index(b'/') + 1])
        block[:100] = (top + path).ljust(100, b'\0')
        return stream[:start] + with_sum(block) + stream[start + 512:]
    return lambda: {'stream': edit}


for _name, _path in (
        ('dotdot', b'data/../x'), ('dot', b'./plan.json'), ('absolute', b'/x'),
        ('double-slash', b'keys//x'), ('trailing-slash', b'keys/'),
        ('empty', b''), ('space', b'plan json'), ('newline', b'plan\njson'),
        ('utf8', 'pl\u00e4n.json'.encode()), ('backslash', b'keys\\x'),
        ('colon', b'C:x'), ('control', b'plan\x01json')):
    add('path-' + _name, 'F7', path_break(_path))


def stream_break(edit):
    return lambda: {'stream': edit}


def pad(stream):
    start = list(headers(stream))[0]
    at = start + 512 + int(stream[start + 124:start + 135], 8)
    return stream[:at] + b'x' + stream[at + 1:]


add('padding', 'F6', stream_break(pad))
add('one-zero-block', 'F3', stream_break(lambda s: s[:-512]))
add('no-zero-blocks', 'F3', stream_break(lambda s: s[:-1024]))
add('three-zero-blocks', 'F3', stream_break(lambda s: s + bytes(512)))
add('padded-to-10240', 'F3', stream_break(
    lambda s: s + bytes(-len(s) % 10240 or 10240)))
add('second-archive', 'F3', stream_break(lambda s: s + s))
add('zero-block-inside', 'F3', stream_break(lambda s: bytes(512) + s))
add('garbage-after', 'F3', stream_break(lambda s: s + b'x'))


def too_long(stream):
    start = list(headers(stream))[1]
    block = bytearray(stream[start:start + 512])
    block[124:136] = b'00100000001\0'
    return stream[:start] + with_sum(block) + bytes(16777728) + stream[-1024:]


add('too-long', 'F6', stream_break(too_long))

# ---- members: F7, F8, F10, F13 ----------------------------------------------


def members_break(edit):
    """edit changes the list of (path, data) after everything was signed."""
    def hook(members):
        members = list(members)
        return edit(members) or members
    return lambda: {'members': hook}


def place(members, path):
    return [p for p, _ in members].index(path)


def drop(path):
    def edit(members):
        del members[place(members, path)]
    return members_break(edit)


for _path in ('bagit.txt', 'VERIFY.txt', 'manifest.json', 'plan.json',
              'keys/session-1.pub', 'checkpoint', 'bag-info.txt',
              'manifest-sha256.txt', 'tagmanifest-sha256.txt',
              'seal/tagmanifest-sha256.txt.minisig', 'log/000001.jsonl'):
    add('without-' + _path.replace('/', '-'), 'F8', drop(_path))
add('without-payload', 'F19', drop('data/e000001-caller.json'))


def insert(path, data, at):
    return members_break(lambda m: m.insert(at, (path, data)))


add('extra-tag-file', 'F8', insert('notes.txt', b'x', 3))
add('extra-fetch', 'F8', insert('fetch.txt', b'x', 5))
add('extra-payload', 'F19', insert('data/e000009-x', b'x', 6))
add('extra-key', 'F8', insert('keys/session-2.pub', b'x', 5))
add('extra-at-end', 'F8', members_break(lambda m: m.append(('x', b''))))
add('payload-twice', 'F7', members_break(lambda m: m.insert(6, m[5])))
add('payload-after-log', 'F8', members_break(
    lambda m: m.insert(place(m, 'checkpoint') + 1, ('data/e000009-x', b''))))
add('stamp-before-seal', 'F8', members_break(
    lambda m: m.insert(len(m) - 1, (m[-1][0][:-7] + 'tsr', b'0\0'))))


add('stamp-without-list', 'F8', members_break(
    lambda m: m.append(('seal/tagmanifest-sha256.txt.tsr', b'0\0'))))


# ---- time stamps: F24 -------------------------------------------------------

def stamp_break(name, rule, **hooks):
    add('stamp-' + name, rule, lambda: hooks, stamp=True)


for _name, _text in (
        ('list-empty', ''), ('list-no-lf', '1 http://a/ granted'),
        ('list-number', '2 http://a/ granted\n'),
        ('list-space', '1  http://a/ granted\n'),
        ('list-word', '1 http://a/ Granted\n'),
        ('list-no-reason', '1 http://a/ failed \n'),
        ('list-utf8', '1 http://a/\u00e4 granted\n'),
        ('list-control', '1 http://a/ granted\n2 http://b/ failed a\tb\n'),
        ('list-three', ''.join('%d http://a/ granted\n' % i
                               for i in (1, 2, 3))),
        ('list-url-long', '1 http://%s/ granted\n' % ('a' * 1017)),
        ('list-reason-long', '1 http://a/ granted\n2 http://b/ failed %s\n' %
         ('a' * 257)),
        ('list-long', '1 http://a/ granted\n' + 'x' * 16384),
        ('not-granted', '1 http://a/ failed x\n'),
        ('second-missing', '1 http://a/ granted\n2 http://b/ granted\n')):
    stamp_break(_name, 'F24', stamps=lambda _, text=_text: text)
for _name, _edit in (
        ('empty', lambda d: b''), ('refusal', lambda d: bytes.fromhex("30053003020102")),
        ('trailing', lambda d: d + b'\0'), ('long', lambda d: d + bytes(65536)),
        ('other-data', lambda d: make_stamp(b'something else')),
        ('signature', lambda d: d[:-5] + bytes([d[-5] ^ 1]) + d[-4:])):
    stamp_break(_name, 'F24', stamp=_edit)
add('stamp-second-first', 'F8', members_break(lambda m: m.append(
    ('seal/tagmanifest-sha256.txt.2.tsr', m.pop(-2)[1]))), stamp=True)
add('stamp-unknown-name', 'F8', members_break(lambda m: m.append(
    ('seal/tagmanifest-sha256.txt.3.tsr', b'0'))), stamp=True)


def make_stamp(data):
    from make_bundle import stamp   # it uses this module
    return stamp(data)


def case_twin(members):
    at = place(members, 'data/e000004-empty.json')
    members.insert(at, ('data/e000004-empty.json', b''))


add('same-name-twice', 'F7', members_break(case_twin))


def member_edit(path, data):
    """A tag file with other bytes, everything else made for it."""
    def hook(one, old):
        return (one, data(old) if callable(data) else data) \
            if one == path else (one, old)
    return lambda: {'member': hook}


add('bagit-version', 'F10', member_edit(
    'bagit.txt', lambda d: d.replace(b'1.0', b'0.97')))
add('bagit-bom', 'F10', member_edit('bagit.txt',
                                    lambda d: b'\xef\xbb\xbf' + d))
add('bagit-crlf', 'F10', member_edit('bagit.txt',
                                     lambda d: d.replace(b'\n', b'\r\n')))
add('session-key-broken', 'F8', member_edit('keys/session-1.pub', b'x\n'))
add('session-key-bare', 'F8', member_edit('keys/session-1.pub',
                                          lambda d: d.split(b'\n')[1]))
add('session-key-small-order', 'F8', member_edit(
    'keys/session-1.pub', b'untrusted comment: x\nRWQ' + b'A' * 53 + b'\n'))
add('session-key-other', 'F16', member_edit(
    'keys/session-1.pub', b'untrusted comment: x\nRWQf6LRCGA9i53mlYecO4IzT51'
    b'TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n'))


def payload_path(old, new):
    """A payload member of another name, also in its line."""
    def member(path, data):
        return (new if path == old else path), data

    def line(one):
        if one.get('path') == old:
            one['path'] = new
        return one
    return lambda: {'member': member, 'line': line}


_PLAIN = 'data/e000001-caller.json'
for _name, _path in (
        ('short-number', 'data/e00001-caller.json'),
        ('zeros', 'data/e0000001-caller.json'),
        ('number-0', 'data/e000000-caller.json'),
        ('upper-case', 'data/e000001-Caller.json'),
        ('no-slug', 'data/e000001-'), ('slug-dot', 'data/e000001-.json'),
        ('no-dash', 'data/e000001caller'), ('deep', 'data/e000001-a/b'),
        ('long-slug', 'data/e000001-' + 'a' * 65),
        ('no-number', 'data/caller.json'),
        ('part-0', 'data/e000001/00000000.bin'),
        ('part-short', 'data/e000001/0000001.bin'),
        ('part-ext', 'data/e000001/00000001.gz'),
        ('part-tar', 'data/e000001/00000001.tar')):
    add('payload-' + _name, 'F13', payload_path(_PLAIN, _path))
add('payload-of-another', 'F19', payload_path(_PLAIN, 'data/e000007-x'))
add('payload-as-part', 'F19', payload_path(_PLAIN,
                                           'data/e000001/00000001.bin'))
add('payload-number-high', 'F9', payload_path(_PLAIN, 'data/e10000000-x'))

# ---- lists and bag-info: F11, F12 -------------------------------------------


def text_break(place_, *edit):
    return lambda: {place_: lambda text: text.replace(*edit)
                    if len(edit) > 1 else edit[0](text)}


for _list in ('manifest', 'tagmanifest'):
    for _name, _edit in (
            ('extra', lambda t: t + '0' * 64 + '  data/e000009-x\n'),
            ('missing', lambda t: t[t.index('\n') + 1:]),
            ('order', lambda t: ''.join(reversed(t.splitlines(True)))),
            ('digest', lambda t: t.replace(t[:64], '0' * 64)),
            ('upper', lambda t: t[:64].upper() + t[64:]),
            ('one-space', lambda t: t.replace('  ', ' ')),
            ('binary-mark', lambda t: t.replace('  ', ' *')),
            ('crlf', lambda t: t.replace('\n', '\r\n')),
            ('comment', lambda t: '# x\n' + t),
            ('twice', lambda t: t + t[:t.index('\n') + 1]),
            ('no-lf', lambda t: t[:-1]), ('empty', lambda t: '')):
        add('%s-%s' % (_list, _name), 'F11', text_break(_list, _edit))

for _name, _old, _new in (
        ('date', '2026-09-21', '2026-09-22'),
        ('name', 'Identifier: IR-2026-014-b01', 'Identifier: IR-2026-014-b02'),
        ('case', 'Bag-Group-Identifier: IR', 'Bag-Group-Identifier: ir'),
        ('agent', 'crashcart 0.1.0', 'crashcart-0.1.0'),
        ('agent-more', '(abcdef0)', '(abcdef0) x'),
        ('format', 'Format: 1', 'Format: 2'),
        ('uuid', 'Uuid: 6f', 'Uuid: 7f'), ('state', 'State: gaps', 'State: ok'),
        ('state-case', 'State: gaps', 'State: Gaps'),
        ('start-zero', 'Start: 17', 'Start: 017'),
        ('crlf', '\n', '\r\n'), ('folded', ': Example', ':\n Example'),
        ('no-space', ': gaps', ':gaps'), ('label', 'Bagging-', 'Bagging_'),
        ('control', 'Example Org', 'Example\tOrg'),
        ('c1', 'Example Org', 'Example\u0085Org'),
        ('empty-value', 'Example Org', '')):
    add('info-' + _name, 'F12', text_break('info', _old, _new))
add('info-bytes', 'F12', text_break('info', lambda t: t.replace(
    'Oxum: ', 'Oxum: 1')))
add('info-files', 'F12', text_break('info', lambda t: t.replace(
    '.5\n', '.6\n')))
add('info-log', 'F12', text_break('info', lambda t: t.replace(
    'Crashcart-Log: ', 'Crashcart-Log: 1')))
add('info-extra', 'F12', text_break('info', lambda t: t + 'X: y\n'))
add('info-twice', 'F12', text_break('info', lambda t: t + t))
add('info-no-lf', 'F12', text_break('info', lambda t: t[:-1]))
add('info-order', 'F12', text_break('info', lambda t: ''.join(
    reversed(t.splitlines(True)))))
add('info-complete', 'F16', text_break('info', 'State: gaps',
                                       'State: complete'))

# ---- lines: F14, F15, F20 ---------------------------------------------------


def dumps(value):
    return json.dumps(value, ensure_ascii=False,
                      separators=(',', ':')).encode()


def line_edit(kind, edit, nth=0, place_='line'):
    """edit changes the nth line of that type; it may give bytes."""
    def hooks():
        seen = [0]

        def hook(line):
            if line['type'] != kind:
                return line
            seen[0] += 1
            if seen[0] != nth + 1:
                return line
            new = edit(line)
            return line if new is None else new
        return {place_: hook}
    return hooks


def put(**values):
    def edit(line):
        for key, value in values.items():
            line[key.rstrip('_')] = value
    return edit


def insert_key(after, key, value):
    def edit(line):
        new = {}
        for old, v in line.items():
            new[old] = v
            if old == after:
                new[key] = value
        return new
    return edit


def without(key):
    def edit(line):
        del line[key]
    return edit


def raw(old, new):
    return lambda line: dumps(line).replace(old, new, 1)


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {'a': value}
    return value


for _name, _edit in (
        ('duplicate-key', raw(b'{"n":', b'{"n":1,"n":')),
        ('duplicate-escaped', raw(b'"text":', b'"t\\u0065xt":"","text":')),
        ('nul', raw(b'"text":"', b'"text":"\\u0000')),
        ('surrogate', raw(b'"text":"', b'"text":"\\ud800')),
        ('bad-utf8', raw(b'"text":"', b'"text":"\xff')),
        ('overlong-utf8', raw(b'"text":"', b'"text":"\xc0\xaf')),
        ('control', raw(b'"text":"', b'"text":"\x01')),
        ('bom', raw(b'{', b'\xef\xbb\xbf{')),
        ('trailing', raw(b'"}', b'"}x')), ('trailing-comma', raw(b'"}', b'",}')),
        ('array', lambda line: b'[' + dumps(line) + b']'),
        ('scalar', lambda line: b'1'), ('empty', lambda line: b''),
        ('comment', lambda line: b'/**/' + dumps(line)),
        ('single-quote', raw(b'"text"', b"'text'")),
        ('too-long', put(text='x' * 262144)),
        ('leading-zero', raw(b'"n":', b'"n":0')),
        ('plus', raw(b'"n":', b'"n":+')), ('nan', raw(b'"text":"', b'"text":NaN,"x":"'))):
    add('line-' + _name, 'F14', line_edit('note', _edit))
for _name, _value in (('too-deep', nested(31)),
                      ('beyond-2-53', {'a': 2 ** 53 + 1}),
                      ('beyond-2-64', {'a': 2 ** 70}),
                      ('beyond-minus', {'a': -2 ** 53 - 1})):
    add('line-' + _name, 'F14', line_edit('session', put(options=_value)))
add('line-infinite', 'F14', line_edit('session', raw(b'"ratio":0.5', b'"ratio":1e999')))
add('line-long-number', 'F14', line_edit('session',
                                         raw(b'"ratio":0.5',
                                                 b'"ratio":0.' + b'5' * 64)))

for _name, _edit in (
        ('n-gap', lambda line: put(n=line['n'] + 1)(line)),
        ('n-text', lambda line: put(n=str(line['n']))(line)),
        ('n-fraction', lambda line: put(n=line['n'] + 0.5)(line)),
        ('salt-upper', lambda line: put(salt=line['salt'].upper()[:31] +
                                        'A')(line)),
        ('salt-short', put(salt='00')), ('t-seconds', put(
            t='2026-09-21T13:33:20Z')),
        ('t-offset', put(t='2026-09-21T13:33:20.000000000+00:00')),
        ('t-month', put(t='2026-13-21T13:33:20.000000000Z')),
        ('t-day', put(t='2026-02-30T13:33:20.000000000Z')),
        ('t-second', put(t='2026-09-21T13:33:60.000000000Z')),
        ('t-space', put(t='2026-09-21 13:33:20.000000000Z')),
        ('mono-number', put(mono_ns=1)), ('mono-zero', put(mono_ns='01')),
        ('boot', put(boot='0badcaf')), ('step', put(step='Step')),
        ('session-text', put(session='1')), ('step-null', put(step=None)),
        ('no-salt', without('salt')),
        ('order', lambda line: dict([('salt', line['salt'])] +
                                    list(line.items())))):
    add('prefix-' + _name, 'F15', line_edit('note', _edit))

for _name, _kind, _edit in (
        ('unknown-type', 'note', put(type='remark')),
        ('unknown-key', 'note', put(more='x')),
        ('missing-key', 'clock', without('from')),
        ('key-order', 'note', lambda line: dict(
            list(line.items())[:8] + [('z', 1)] + list(line.items())[8:])),
        ('other-case', 'note', raw(b'"text"', b'"Text"')),
        ('bool-as-number', 'clock', put(applied=1)),
        ('bool-as-text', 'exhibit', put(repeatable='true')),
        ('null', 'note', put(text=None)),
        ('negative', 'clock', put(uncertainty_ms=-1)),
        ('fraction', 'clock', put(offset_ms=0.25)),
        ('enum-clock', 'clock', put(source='ntp')),
        ('enum-case', 'clock', put(source='Kernel')),
        ('enum-empty', 'clock', put(source='')),
        ('enum-two', 'clock', put(source='sntp kernel')),
        ('enum-endpoint', 'endpoint', put(origin='file')),
        ('enum-event', 'instance', put(event='begin')),
        ('start-with-outcome', 'instance', put(outcome='ok')),
        ('enum-exhibit', 'exhibit', put(state='ok')),
        ('enum-gap', 'gap', put(reason='unknown')),
        ('enum-change', 'change', put(class_='other')),
        ('object-as-text', 'exhibit', put(origin='x')),
        ('object-keys', 'session', put(tool={'name': 'x'})),
        ('object-more', 'session', lambda line: line['host'].update(x=1)),
        ('object-order', 'session', lambda line: put(manifest=dict(
            reversed(list(line['manifest'].items()))))(line)),
        ('started', 'call', put(started='yesterday')),
        ('uuid', 'change', put(uuid='x')),
        ('uuid-upper', 'change', lambda line: put(
            uuid=line['uuid'].upper())(line)),
        ('mode', 'file', put(mode='0999')), ('dev', 'file', put(dev='2049')),
        ('dev-zero', 'file', put(dev='08:01')),
        ('ino-number', 'file', put(ino=5)),
        ('ino-high', 'file', put(ino='18446744073709551616')),
        ('mtime', 'file', put(mtime='2026-09-21T13:33:20.Z')),
        ('mtime-10', 'file', put(mtime='2026-09-21T13:33:20.0123456789Z')),
        ('both-paths', 'file', insert_key('path', 'path_b64', 'eA==')),
        ('no-path', 'file', without('path')),
        ('file-origin', 'file', put(origin='x')),
        ('exhibit-id', 'call', put(exhibit='e1')),
        ('derived', 'exhibit', insert_key('origin', 'derived_from', ['x'])),
        ('list-as-text', 'change', insert_key('input', 'made', 'x')),
        ('list-of-numbers', 'change', insert_key('input', 'made', [1])),
        ('sha-upper', 'part', lambda line: put(
            sha256=line['sha256'].upper())(line)),
        ('sha-short', 'exhibit', put(sha256='00')),
        ('encoding', 'part', put(encoding='gzip'))):
    add('value-' + _name, 'F20', line_edit(_kind, _edit))
for _name, _edit in (
        ('false-partial', put(partial_input=False)),
        ('enum-outcome', put(outcome='good')), ('no-outcome',
                                                without('outcome')),
        ('keep-list', put(keep=[]))):
    add('value-' + _name, 'F20', line_edit('instance', _edit, 1))
for _name, _value in (('base64', 'eA'), ('base64-bits', 'eB=='),
                      ('base64-space', 'e A='), ('base64-url', '_-==')):
    add('value-' + _name, 'F20', line_edit('file', put(path_b64=_value), 4))
add('value-head-sig', 'F20', line_edit('head', put(sig='eA=='), 0, 'head'))

# ---- the log: F14, F16 to F19 -----------------------------------------------


def part_edit(edit):
    return lambda: {'part': edit}


add('log-no-head', 'F14', part_edit(lambda lines: lines[:-1]))
add('log-two-heads', 'F14', part_edit(lambda lines: lines + lines[-1:]))
add('log-empty', 'F14', part_edit(lambda lines: []))
add('log-line-gone', 'F15', part_edit(lambda lines: lines[:2] + lines[3:]))
add('log-line-twice', 'F15', part_edit(lambda lines: lines[:2] + lines[1:]))
add('log-order', 'F15', part_edit(
    lambda lines: lines[:1] + [lines[2], lines[1]] + lines[3:]))
add('log-line-changed', 'F17', part_edit(
    lambda lines: lines[:1] + [lines[1].replace(b'sts', b'iam')] + lines[2:]))
add('log-no-lf', 'F14', member_edit('log/000001.jsonl', lambda d: d[:-1]))
add('log-crlf-end', 'F14', member_edit('log/000001.jsonl', lambda d: d + b'\r'))
add('log-blank-line', 'F14', member_edit('log/000001.jsonl',
                                         lambda d: b'\n' + d))
add('log-too-long', 'F14', lambda: {
    'part': lambda lines: [b' ' * 262144] * 4 + lines})

for _name, _edit in (('size', lambda l: put(size=l['size'] + 1)(l)),
                     ('root', put(root='0' * 64)),
                     ('sig', put(sig='A' * 86 + '=='))):
    add('head-' + _name, 'F17', line_edit('head', _edit, 0, 'head'))

for _name, _kind, _edit in (
        ('end-exhibits', 'end', put(exhibits=1)),
        ('end-calls', 'end', put(calls=9)), ('end-gaps', 'end', put(gaps=0)),
        ('end-changes', 'end', put(changes=2)),
        ('end-bytes', 'end', put(bytes=1)),
        ('end-complete', 'end', put(outcome='complete')),
        ('no-end', 'end', lambda line: note_instead(line)),
        ('session-number', 'note', put(session=2)),
        ('session-bundle', 'session', put(bundle='other')),
        ('session-manifest', 'session', lambda line: line['manifest'].update(
            sha256='0' * 64)),
        ('session-key-line', 'session', put(session_key='RWQf6LRCGA9i53mlYecO'
                                            '4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7'
                                            'GFO3')),
        ('no-session', 'session', lambda line: note_instead(line)),
        ('session-late', 'clock', lambda line: session_instead(line))):
    add('log-' + _name, 'F16', line_edit(_kind, _edit))
add('log-case', 'F1', line_edit('session', put(case='a b')))
for _name, _edit in (('uuid', put(uuid='0' * 8 + '-0000-0000-0000-' + '0' * 12)),
                     ('case', put(case='other')),
                     ('number', put(session=1)),
                     ('gone', lambda line: note_instead(line))):
    add('second-session-' + _name, 'F16', line_edit('session', _edit, 1),
        resumed=True)


def note_instead(line):
    new = dict(list(line.items())[:8], type='note')
    new['text'] = 'instead'
    return new


def session_instead(line):
    new = dict(list(line.items())[:8], type='session')
    new.update({
        'uuid': '0' * 8 + '-0000-0000-0000-' + '0' * 12, 'bundle': 'x',
        'case': 'x', 'tool': {'name': 'x', 'version': 'x', 'commit': 'x',
                              'sha256': '0' * 64},
        'manifest': {'name': 'x', 'sha256': '0' * 64},
        'session_key': 'RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7G'
                       'FO3',
        'host': {'hostname': 'x', 'kernel': 'x', 'machine': 'x',
                 'boot_id': 'x'}, 'pid': 1, 'uid': 0})
    return new


def end_twice():
    def part(lines):
        return lines[:-1] + [end.replace(b'"n":', b'"n": ')
                             for end in lines[-2:-1]] + lines[-1:] \
            if b'"type":"end"' in lines[-2] else lines
    return {'part': part}


add('log-end-twice', 'F15', end_twice)

for _name, _edit in (
        ('size', lambda d: d.replace(b'\n25\n', b'\n24\n')),
        ('origin', lambda d: d.replace(b'crashcart/', b'other/')),
        ('empty', lambda d: b''), ('no-lf', lambda d: d[:-1]),
        ('two-signatures', lambda d: d + d[d.index(b'\xe2'):]),
        ('extra-line', lambda d: d.replace(b'\n\n', b'\nx\n\n')),
        ('dash', lambda d: d.replace('\u2014'.encode(), b'-')),
        ('signature', lambda d: d[:-6] + b'AAAA=\n'),
        ('crlf', lambda d: d.replace(b'\n', b'\r\n'))):
    add('checkpoint-' + _name, 'F18', text_break('checkpoint', _edit))


def checkpoint_key(data):
    """Another key id, so all but four bytes are right."""
    at = data.rindex(b' ') + 1
    return data[:at] + b'AAAA' + data[at + 4:]


add('checkpoint-key-id', 'F18', text_break('checkpoint', checkpoint_key))

for _name, _kind, _nth, _edit in (
        ('size', 'exhibit', 0, lambda l: put(size=l['size'] + 1)(l)),
        ('sha', 'exhibit', 0, put(sha256='0' * 64)),
        ('no-sha', 'exhibit', 0, without('sha256')),
        ('no-path', 'exhibit', 0, without('path')),
        ('plain-parts', 'exhibit', 0, insert_key('path', 'parts', 1)),
        ('other-id', 'exhibit', 0, put(exhibit='e000008')),
        ('twice', 'exhibit', 2, put(exhibit='e000001')),
        ('no-line', 'exhibit', 0, lambda line: note_instead(line)),
        ('parts-count', 'exhibit', 1, put(parts=2)),
        ('no-parts', 'exhibit', 1, without('parts')),
        ('whole-size', 'exhibit', 1, put(size=1)),
        ('image-as-set', 'exhibit', 1, lambda l: insert_key(
            'parts', 'files', 1)({k: v for k, v in l.items()
                                  if k != 'sha256'})),
        ('set-as-image', 'exhibit', 3, without('files')),
        ('set-sha', 'exhibit', 3, insert_key('size', 'sha256', '0' * 64)),
        ('part-number', 'part', 0, put(part=2)),
        ('part-offset', 'part', 1, put(offset=0)),
        ('part-length-0', 'part', 1, put(length=0)),
        ('part-length-high', 'part', 1, put(length=16777217)),
        ('part-size', 'part', 0, lambda l: put(size=l['size'] + 1)(l)),
        ('part-sha', 'part', 0, put(sha256='0' * 64)),
        ('part-encoding', 'part', 0, put(encoding='zstd')),
        ('part-zero-size', 'part', 1, put(size=1)),
        ('part-zero-sha', 'part', 1, put(sha256='0' * 64)),
        ('part-zero-path', 'part', 1, insert_key(
            'part', 'path', 'data/e000002/00000002.bin')),
        ('part-as-zero', 'part', 0, put(encoding='zero')),
        ('part-no-path', 'part', 0, without('path')),
        ('part-other', 'part', 0, put(exhibit='e000008')),
        ('part-no-line', 'part', 0, lambda line: note_instead(line)),
        ('part-after', 'part', 2, put(exhibit='e000001')),
        ('mixed', 'part', 2, put(encoding='tar.zst'))):
    add('agree-' + _name, 'F19', line_edit(_kind, _edit, _nth))
add('agree-id-zeros', 'F13', line_edit('exhibit', put(exhibit='e0000001')))
add('agree-id-0', 'F13', line_edit('exhibit', put(exhibit='e000000')))

# ---- seals: F2, F21 to F23 --------------------------------------------------

for _name, _edit in (
        ('crlf', lambda t: t.replace('\n', '\r\n')),
        ('extra-line', lambda t: t + 'x\n'), ('no-lf', lambda t: t[:-1]),
        ('blank-line', lambda t: t + '\n'), ('empty', lambda t: ''),
        ('two-spaces', lambda t: t.replace('state ', 'state  ')),
        ('tab', lambda t: t.replace('state ', 'state\t')),
        ('order', lambda t: t.replace('crashcart-seal 1\n', '') +
         'crashcart-seal 1\n'),
        ('version-0', lambda t: t.replace('seal 1', 'seal 0')),
        ('version-01', lambda t: t.replace('seal 1', 'seal 01')),
        ('state', lambda t: t.replace('gaps', 'good')),
        ('chunk', lambda t: t.replace('8388608', '4194304')),
        ('upper', lambda t: t.replace('root ', 'root A')),
        ('hex-upper', lambda t: t[:-65] + t[-65:].upper()),
        ('short-chunk', lambda t: t[:-2] + '\n'),
        ('chunk-gone', lambda t: t[:-65]),
        ('no-log', lambda t: '\n'.join(x for x in t.split('\n')
                                       if not x.startswith('log '))),
        ('log-zero', lambda t: t.replace('log ', 'log 0')),
        ('case', lambda t: t.replace('case IR', 'case ir')),
        ('complete', lambda t: t.replace('state gaps', 'state complete')),
        ('root', lambda t: t.replace(t[t.index('root ') + 5:][:64], '0' * 64)),
        ('log-size', lambda t: t.replace('log 25', 'log 24')),
        ('bom', lambda t: '\ufeff' + t),
        ('dash', lambda t: t.replace('-1\n', '\n'))):
    add('seal-' + _name, 'F21', text_break('seal', _edit))
add('seal-name-dot', 'F1', text_break('seal', 'bundle IR', 'bundle .R'))
add('seal-other-name', 'F4', text_break('seal', 'bundle IR', 'bundle XR'))
for _name, _edit in (
        ('composite', lambda t: t.replace('=-1', '=-2')),
        ('composite-digest', lambda t: t[:t.index('=-1') - 4] + 'AAAA' +
         t[t.index('=-1'):]),
        ('number', lambda t: t.replace('segment 2', 'segment 3')),
        ('length-0', lambda t: t.replace(
            t[t.index('segment 1 '):].split(' ')[2] + ' ', '0 ', 1)),
        ('length', lambda t: t.replace('segment 1 ', 'segment 1 1')),
        ('length-less', lambda t: re.sub(
            'segment 1 ([0-9]+)',
            lambda m: 'segment 1 %d' % (int(m.group(1)) - 1), t))):
    add('segment-' + _name, 'F22', text_break('seal', _edit))
add('seal-version-2', '', text_break('seal', 'seal 1', 'seal 2'))
add('seal-partial', '', text_break('seal', 'state gaps', 'state partial'))


def files_break(edit):
    def hook(files):
        files = dict(files)
        edit(files)
        return files
    return lambda: {'files': hook}


_NAME = 'IR-2026-014-b01'
add('segment-gone', 'F2', files_break(lambda f: f.pop(_NAME + '.tar.002')))
add('segment-first-gone', 'F2', files_break(lambda f: f.pop(_NAME + '.tar')))
add('segment-more', 'F2', files_break(
    lambda f: f.update({_NAME + '.tar.003': b'x'})))
add('segment-badly-numbered', 'F2', files_break(
    lambda f: f.update({_NAME + '.tar.2': f.pop(_NAME + '.tar.002')})))
add('segments-swapped', 'F22', files_break(lambda f: f.update({
    _NAME + '.tar': f[_NAME + '.tar.002'],
    _NAME + '.tar.002': f[_NAME + '.tar']})))
add('counter-name', 'F23', files_break(
    lambda f: f.update({_NAME + '.seal.0123456789ABCDEF.minisig':
                        f.pop(next(n for n in f if n.count('.') == 3))})),
    counter=True)


def counter_stamp(edit, name=None):
    def change(files):
        of = next(n for n in files if n.count('.') == 3)
        files[(name or of) + '.tsr'] = edit(files[of])
    return files_break(change)


for _name, _edit, _of in (
        ('of-other', lambda _: make_stamp(b'something else'), None),
        ('junk', lambda _: b'0\0', None),
        ('tail', lambda d: make_stamp(d) + b'\0', None),
        ('of-nothing', make_stamp,
         _NAME + '.seal.0123456789ABCDEF.minisig'),
        ('name', make_stamp, _NAME + '.seal.x.minisig')):
    add('counter-stamp-' + _name, 'F24', counter_stamp(_edit, _of),
        counter=True)
add('counter-name-lower', 'F23', files_break(
    lambda f: f.update({_NAME + '.seal.x.minisig': b'x'})))
add('signature-empty', 'F23', files_break(
    lambda f: f.update({_NAME + '.seal.minisig': b''})))
add('signature-of-other', 'F23', files_break(lambda f: f.update({
    _NAME + '.seal.minisig': f[next(n for n in f if n.count('.') == 3)]})),
    counter=True)
add('seal-gone', '', files_break(lambda f: f.pop(_NAME + '.seal')))
add('signature-gone', '', files_break(lambda f: f.pop(_NAME +
                                                      '.seal.minisig')))


def comment_break(which, edit):
    def hook(one, both):
        return one, (edit(*both) if one == which else both)
    return lambda: {'comment': hook}


for _which in ('outer', 'inner', 'counter'):
    for _name, _edit in (
            ('untrusted', lambda u, t: (u + 'x', t)),
            ('untrusted-empty', lambda u, t: ('', t)),
            ('case', lambda u, t: (u, t.replace('case=IR', 'case=ir'))),
            ('bundle', lambda u, t: (u, t.replace('bundle=IR', 'bundle=ir'))),
            ('root', lambda u, t: (u, t[:-64] + '0' * 64)),
            ('space', lambda u, t: (u, t + ' ')),
            ('more', lambda u, t: (u, t + ' x=y'))):
        add('comment-%s-%s' % (_which, _name), 'F23',
            comment_break(_which, _edit), counter=True)
for _which in ('outer', 'inner'):
    add('comment-%s-purpose' % _which, 'F23', comment_break(
        _which, lambda u, t: (u, t.replace('=session', '=examiner'))))
    add('comment-%s-purpose-examiner' % _which, 'F23', comment_break(
        _which, lambda u, t: (u, t.replace('=examiner', '=session'))),
        examiner=True)

# ---- encrypted: F25 ---------------------------------------------------------


def age_break(name, edit, rule='F25', **more):
    """edit(number, plain, stored, rng): a segment of the ciphertext."""
    from random import Random

    def hooks():
        from make_bundle import age_file    # it uses this module
        rng = Random(1)
        return {'age': lambda n, plain: edit(n, plain, age_file(rng, plain),
                                             rng)}
    add('age-' + name, rule, hooks, encrypted=True, **more)


def age_again(rng, plain, **how):
    from make_bundle import age_file
    return age_file(rng, plain, **how)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


OTHER_IDENTITY = ('AGE-SECRET-KEY-1QPFDUSRJGTLZAGS5YUJ652X5RU8RWQTAXSFWSAF8XL3'
                  'QUA26HAXSDUPDM5')
for _name, _edit in (
        ('mac', lambda n, p, s, r: flip(s, s.index(b'--- ') + 9)),
        ('version', lambda n, p, s, r: s.replace(b'v1', b'v2', 1)
         if n else s),
        ('stanza', lambda n, p, s, r: flip(s, s.index(b'-> X25519') + 20)
         if n else s),
        ('nonce', lambda n, p, s, r: flip(s, s.index(b'--- ') + 50)),
        ('block', lambda n, p, s, r: flip(s, -300)),
        ('tag', lambda n, p, s, r: flip(s, -1) if n else s),
        ('cut', lambda n, p, s, r: s[:-1] if n else s),
        ('cut-to-tag', lambda n, p, s, r: s[:-len(p) - 1] if n else s),
        ('cut-in-header', lambda n, p, s, r: s[:100] if n else s),
        ('longer', lambda n, p, s, r: s + b'x'),
        ('not-the-last', lambda n, p, s, r: age_again(r, p, last=False)),
        ('other-recipient', lambda n, p, s, r: age_again(
            r, p, identity=OTHER_IDENTITY) if n else s),
        ('plain-second', lambda n, p, s, r: p if n else s),
        ('crlf', lambda n, p, s, r: s.replace(b'\n', b'\r\n', 3) if n else s)):
    age_break(_name, _edit)
age_break('swapped', lambda n, p, s, r: s, rule='F4')
BREAKS['age-swapped'].hooks = lambda: {'plain': lambda p: p[::-1]}
add('age-odd-segment', 'F25', lambda: {'cut': lambda s: [
    s[:5220], s[5220:]]}, encrypted=True)
add('age-named-tar', 'F25', lambda: {'files': lambda files: {
    name.replace('.age', ''): data for name, data in files.items()}},
    encrypted=True)
add('tar-named-age', 'F25', lambda: {'files': lambda files: {
    name + '.age' * ('.tar' in name): data for name, data in files.items()}})
add('age-and-tar', 'F25', lambda: {'files': lambda files: dict(
    files, **{_NAME + '.tar': b'x'})}, encrypted=True)
# the same within: what is encrypted is held to all other rules too
for _name in ('payload-twice', 'info-case', 'head-root', 'agree-whole-size',
              'manifest-digest', 'seal-root', 'comment-inner-root',
              'padding', 'comment-outer-root', 'comment-outer-untrusted',
              'comment-counter-root', 'comment-counter-untrusted'):
    if _name in BREAKS:
        add('age-' + _name, BREAKS[_name].rule, BREAKS[_name].hooks,
            **dict(BREAKS[_name].options, encrypted=True))

# ---- partial: F26 -----------------------------------------------------------

for _name, _rule, _cut, _hooks in (
        ('right', '', 700, {}), ('at-the-end', '', 0, {}),
        ('no-log', 'F26', -600, {}), ('early', 'F26', -2000, {}),
        ('root', 'F21', 700, {'seal': lambda t: re.sub(
            'root .', lambda m: 'root ' + ('1' if m.group()[-1] == '0' else
                                           '0'), t)}),
        ('log-size', 'F21', 700, {'seal': lambda t: re.sub(
            'log ([0-9]+)', lambda m: 'log %d' % (int(m.group(1)) + 1), t)}),
        ('case', 'F21', 700, {'seal': lambda t: t.replace('case IR', 'case ir')}),
        ('comment', 'F23', 700, {'comment': lambda which, both: (which, (
            both[0], both[1] + ' ') if which == 'outer' else both)}),
        ('remnant', 'F4', 700, header_edit(100, b'0000755\0', 8)()),
        ('complete', 'F3', 700, {'seal': lambda t: t.replace(
            'state partial', 'state gaps')})):
    add('partial-' + _name, _rule, lambda hooks=_hooks: hooks, partial=_cut)
add('partial-encrypted', '', lambda: {}, partial=700, encrypted=True)
add('partial-encrypted-no-log', 'F26', lambda: {}, partial=-600, encrypted=True)

# ---- heads that the reader kept: F27 ----------------------------------------


def right_maker():
    from make_bundle import Maker
    maker = Maker(1)
    maker.make()
    return maker


def other_endpoint(line):
    return dict(line, service='iam') if line['type'] == 'endpoint' else line


add('head-kept-rewritten', 'F27', lambda: {'line': other_endpoint},
    head=lambda m: right_maker().kept(6))
add('head-kept-cut', 'F27', lambda: {}, head=lambda m: right_maker().kept(
    len(m.tree.leaves)).replace('\n%d\n' % len(m.tree.leaves), '\n%d\n' %
                                (len(m.tree.leaves) + 3)))
add('head-kept-of-other', 'F27', lambda: {},
    head=lambda m: m.kept(6, signer=m.counter), counter=True)
add('head-kept-origin', 'F27', lambda: {},
    head=lambda m: m.kept(6, origin='crashcart/' + 'x' * 36))
add('head-kept-signature', 'F27', lambda: {},
    head=lambda m: re.sub('.(..\n)$', r'A\1', m.kept(6)))
add('head-kept-beyond-partial', 'F27', lambda: {}, partial=700,
    head=lambda m: m.kept(len(m.kept_log.leaves) + 1))

# ---- where one check would hide that another is missing ---------------------


def signers(of=None):
    """Keys of the Maker of seed 1, and one that is nobody's, with the key id
    of one of them."""
    from random import Random
    from make_bundle import Maker, Signer
    maker, other = Maker(1, counter=True, examiner=True), Signer(Random(9))
    if of:
        other.id = of(maker).id
        other = type(other)(Random(9), key_id=other.id)
    return maker, other


def signed_anew(old, data, signer):
    """The same comments, by another."""
    lines = old.decode().split('\n')
    return signer.minisig(data, lines[0][len('untrusted comment: '):],
                          lines[2][len('trusted comment: '):])


def outer_by(signer):
    def edit(files):
        seal = _NAME + '.seal'
        files[seal + '.minisig'] = signed_anew(
            files[seal + '.minisig'], files[seal], signer())
    return files_break(edit)


def inner_by(signer):
    def edit(members):
        at = place(members, 'seal/tagmanifest-sha256.txt.minisig')
        tags = members[place(members, 'tagmanifest-sha256.txt')][1]
        members[at] = (members[at][0],
                       signed_anew(members[at][1], tags, signer()))
    return members_break(edit)


def session(maker):
    return maker.sessions[0]


for _name, _by in (('outer', outer_by), ('inner', inner_by)):
    add(_name + '-of-other-key', 'F23', _by(lambda: signers()[0].counter))
    add(_name + '-forged', 'F23', _by(lambda: signers(session)[1]),
        counter=True, keys=lambda m: [m.counter.bare])
add('inner-junk', 'F23', members_break(lambda m: m.__setitem__(
    -1, (m[-1][0], b'x\n'))))
add('reader-key-of-same-id', 'F23', lambda: {},
    keys=lambda m: [signers(session)[1].bare])
add('reader-key-of-same-id-counter', 'F23', lambda: {}, counter=True,
    keys=lambda m: m.keys()[:1] + [signers(lambda s: m.counter)[1].bare])
for _name, _id in (('long', '0123456789ABCDEF0'), ('hex', '0123456789abcdef')):
    add('counter-name-' + _name, 'F23', files_break(
        lambda f, id_=_id: f.update({'%s.seal.%s.minisig' % (_NAME, id_): f[
            _NAME + '.seal.minisig']})))
add('seal-log-root', 'F21', text_break('seal', lambda t: re.sub(
    '(log [0-9]+ ).', lambda m: m.group(1) + (
        '1' if m.group()[-1] == '0' else '0'), t)))
for _name, _path in (('letter', 'data/x000001-caller.json'),
                     ('part-letter', 'data/e000001/0000001x.bin'),
                     ('part-no-slash', 'data/e000001x00000001.bin')):
    add('payload-' + _name, 'F13', payload_path(_PLAIN, _path))
for _name, _edit in (('letter', lambda d: d.replace(b'UTF-8', b'UTF-9')),
                     ('longer', lambda d: d + b'x')):
    add('bagit-' + _name, 'F10', member_edit('bagit.txt', _edit))
for _name, _edit in (
        ('utf8', lambda d: d.replace(b'Example', b'Exam\xffple')),
        ('del', lambda d: d.replace(b'Example', b'Exam\x7fple')),
        ('no-lf', lambda d: d[:-1]), ('zero', lambda d: b''),
        ('no-value', lambda d: d.replace(b': gaps', b': ')),
        ('state-longer', lambda d: d.replace(b': gaps', b': gapsx')),
        ('agent-short', lambda d: d.replace(b'0.1.0 (abcdef0)', b'')),
        ('agent-end', lambda d: d.replace(b'(abcdef0)', b'(abcdef0')),
        ('agent-no-version', lambda d: d.replace(b'crashcart 0.1.0 ',
                                                 b'crashcart  ')),
        ('agent-no-commit', lambda d: d.replace(b'(abcdef0)', b'()')),
        ('agent-bracket', lambda d: d.replace(b' (abcdef0', b'  abcdef0')),
        ('start-letter', lambda d: d.replace(b'Start: 17', b'Start: x7')),
        ('more-lines', lambda d: d + b'More: x\n')):
    add('info-bytes-' + _name, 'F12', member_edit('bag-info.txt', _edit))


def other_checkpoint(size, root):
    """One by the right key, of another log."""
    def edit(text):
        from base64 import b64encode
        from hashlib import sha256
        key = signers()[0].sessions[0]
        origin, n, old = text.decode().split('\n')[:3]
        note = '%s\n%d\n%s\n' % (origin, int(n) + size, root or old)
        key_id = sha256(origin.encode() + b'\n\x01' + key.point).digest()[:4]
        return ('%s\n\u2014 %s %s\n' % (note, origin, b64encode(
            key_id + key.key.sign(note.encode())).decode())).encode()
    return lambda: {'checkpoint': edit}


add('checkpoint-of-other-size', 'F18', other_checkpoint(1, None))
add('checkpoint-of-other-root', 'F18', other_checkpoint(0, 'A' * 43 + '='))
add('stamp-list-one-two-there', 'F24', lambda: {
    'stamps': lambda t: '1 http://tsa.example/ granted\n',
    'members': lambda m: list(m) + [(m[-1][0][:-3] + '2.tsr', m[-1][1])]},
    stamp=True)
add('group-of-8193', 'F9', members_break(lambda m: m.__setitem__(
    slice(5, 5), [('data/e%06d-x' % (n + 10), b'') for n in range(8193)])))
for _name, _at in (('first', 3), ('name', 40), ('data', 700), ('last', -1)):
    add('stored-flip-' + _name, 'F22', files_break(
        lambda f, at=_at: f.update({_NAME + '.tar': flip(
            f[_NAME + '.tar'], at)})))
add('stored-flip-second', 'F22', files_break(lambda f: f.update({
    _NAME + '.tar.002': flip(f[_NAME + '.tar.002'], 100)})))
add('age-stored-flip', 'F22', files_break(lambda f: f.update({
    _NAME + '.tar.age': flip(f[_NAME + '.tar.age'], 1000)})), encrypted=True)
for _name, _kind, _edit in (
        ('uuid-no-dash', 'change', lambda l: put(
            uuid=l['uuid'].replace('-', '0'))(l)),
        ('uuid-long', 'change', lambda l: put(uuid=l['uuid'] + '0')(l)),
        ('started-no-z', 'call', put(started='2026-09-21T13:33:21X')),
        ('started-short', 'call', put(started='2026-09-21T13:33:21')),
        ('mtime-letter', 'file', put(mtime='2026-09-21T13:33:20.1x2Z')),
        ('mtime-no-point', 'file', put(mtime='2026-09-21T13:33:20x12Z')),
        ('mtime-digit', 'file', put(mtime='2026-0:-21T13:33:20Z')),
        ('mtime-below', 'file', put(mtime='2026-0/-21T13:33:20Z'))):
    add('value-' + _name, 'F20', line_edit(_kind, _edit))
for _name, _value in (('pad-3', 'eA==='), ('pad-inside', 'e=A='),
                      ('bits-1', 'eAF=')):
    add('value-base64-' + _name, 'F20', line_edit('file', put(path_b64=_value),
                                                  4))
add('agree-path-of-tag-file', 'F19', line_edit('exhibit', put(path='bagit.txt')))
for _name, _old, _new in (
        ('prefix', b'untrusted comment: ', b'untrusted_comment: '),
        ('trusted-prefix', b'\ntrusted comment: ', b'\ntrusted-comment: '),
        ('long', b'crashcart seal\n', b'crashcart seal' + b'x' * 1000 + b'\n')):
    add('signature-' + _name, 'F23', files_break(
        lambda f, old=_old, new=_new: f.update({_NAME + '.seal.minisig': f[
            _NAME + '.seal.minisig'].replace(old, new, 1)})))

for _name, _edit in (
        ('cut', lambda t: t[:t.index('state ') + 3]),
        ('lines-gone', lambda t: t[:t.index('root ')]),
        ('word', lambda t: t.replace('-seal 1', '-sael 1')),
        ('key-bundle', lambda t: t.replace('bundle IR', 'bundel IR')),
        ('key-case', lambda t: t.replace('case IR', 'caes IR')),
        ('key-root', lambda t: t.replace('root ', 'roof ')),
        ('key-chunk', lambda t: t.replace('chunk ', 'chump ')),
        ('root-empty', lambda t: re.sub('root .*', 'root ', t)),
        ('root-letter', lambda t: re.sub('root .', 'root g', t)),
        ('log-letter', lambda t: re.sub('(log [0-9]+ ).', r'\1g', t)),
        ('log-word', lambda t: re.sub('log [0-9]+ ', 'log  ', t)),
        ('chunk-longer', lambda t: t.replace('8388608', '83886080')),
        ('digest-longer', lambda t: t[:-1] + '0\n'),
        ('segment-letter', lambda t: t.replace('segment 1 ', 'segment x ')),
        ('length-letter', lambda t: t.replace('segment 1 ', 'segment 1 x')),
        ('length-only', lambda t: re.sub('(segment 2 [0-9]+ ).*', r'\1', t)),
        ('count-letter', lambda t: t.replace('=-1\n', '=-x\n'))):
    add('seal-' + _name, 'F21', text_break('seal', _edit))
add('seal-case-space', 'F1', text_break('seal', 'case IR', 'case I R'))


def many_segments(text):
    """One segment more than there may be, each right."""
    from base64 import b64encode
    from hashlib import sha256
    digest = sha256(b'x').digest()
    composite = b64encode(sha256(digest).digest()).decode()
    return text + ''.join('segment %d 1 %s-1\n%s\n' % (
        n, composite, digest.hex()) for n in range(3, 10002))


def many_chunks(text):
    from base64 import b64encode
    from hashlib import sha256
    digest = sha256(b'x').digest()
    composite = b64encode(sha256(digest * 10001).digest()).decode()
    return text[:text.index('segment 1')] + 'segment 1 %d %s-10001\n' % (
        10000 * 8388608 + 1, composite) + (digest.hex() + '\n') * 10001


add('segment-10001', 'F22', text_break('seal', many_segments))
add('segment-chunks-10001', 'F22', text_break('seal', many_chunks))
for _name, _file in (('outer', 2), ('counter', 3)):
    add(_name + '-longer', 'F23', files_break(lambda f, dots=_file: f.update({
        n: d + b'x\n' for n, d in f.items()
        if n.endswith('.minisig') and n.count('.') == dots})), counter=True)
add('inner-longer', 'F23', member_edit(
    'seal/tagmanifest-sha256.txt.minisig', lambda d: d + b'x\n'))
add('inner-by-key-of-same-id', 'F23', files_break(
    lambda f: f.pop(_NAME + '.seal.minisig')),
    keys=lambda m: [signers(session)[1].bare])
add('session-key-empty', 'F8', member_edit('keys/session-1.pub', b''))
add('session-key-no-lf', 'F8', member_edit('keys/session-1.pub',
                                           lambda d: d[:-1]))
for _name, _old, _new in (
        ('colon', b'State: ', b'State::'), ('group-short', b'IR-2026-014\nPay',
                                            b'IR-2026-01\nPay'),
        ('agent-open', b'(abcdef0)', b'(abcdef0('),
        ('agent-control', b'(abcdef0)', b'(abcd\x01f0)'),
        ('format-control', b'Format: 1', b'Format: \x01'),
        ('state-control', b': gaps', b': ga\x01s')):
    add('info-bytes-' + _name, 'F12', member_edit(
        'bag-info.txt', lambda d, old=_old, new=_new: d.replace(old, new)))
add('info-start-late', 'F12', text_break('info', lambda t: re.sub(
    '(Crashcart-Start: .*\n)(Crashcart-State: .*\n)', r'\2\1', t)))

# ---- encrypted segments of several blocks: F25 ------------------------------


def long_payload(path, data):
    return path, b'x' * 900000 if path == _PLAIN else data


def blocks_break(name, rule, edit, **more):
    """edit(blocks) -> blocks: of the first segment, stored."""
    def hooks():
        from random import Random
        from make_bundle import age_file
        rng = Random(1)

        def age(number, plain):
            stored = age_file(rng, plain)
            if number:
                return stored
            at = stored.index(b'\n--- ') + 5 + 43 + 1 + 16
            return stored[:at] + b''.join(edit(
                [stored[i:i + 65552] for i in range(at, len(stored), 65552)]))
        return dict({'member': long_payload, 'age': age}, **more)
    add('age-blocks-' + name, rule, hooks, encrypted=True)


blocks_break('swapped', 'F25', lambda b: b[:2] + [b[3], b[2]] + b[4:])
blocks_break('one-gone', 'F25', lambda b: b[:2] + b[3:])
blocks_break('one-twice', 'F25', lambda b: b[:3] + b[2:])
blocks_break('first-gone', 'F25', lambda b: b[1:])
blocks_break('last-gone', 'F25', lambda b: b[:-1])
blocks_break('flip-first', 'F25', lambda b: [flip(b[0], 9)] + b[1:])
blocks_break('flip-fifth', 'F25', lambda b: b[:4] + [flip(b[4], 9)] + b[5:])
blocks_break('flip-tag', 'F25', lambda b: b[:3] + [flip(b[3], -1)] + b[4:])
blocks_break('header', 'F4', lambda b: b,
             **header_edit(100, b'0000755\0')())
add('counter-name-tail', 'F23', files_break(lambda f: [
    f.update({n[:-8] + 'x.minisig': f.pop(n)})
    for n in list(f) if n.count('.') == 3]), counter=True)
add('signature-huge', 'F23', files_break(lambda f: f.update({
    _NAME + '.seal.minisig': f[_NAME + '.seal.minisig'] + b'x' * 70000})))
stamp_break('list-del', 'F24', stamps=lambda _: (
    '1 http://a/ granted\n2 http://b/ failed a\x7fb\n'))
add('header-size-8', 'F4', header_edit(124, b'00000000008'))
add('folder-shorter', 'F4', header_edit(0, (
    _NAME[:-1] + '/manifest.json').encode().ljust(100, b'\0')))

# ---- headers of age, of another form: F25 -----------------------------------


def stanza(text):
    """One more, behind that of the recipient; the MAC holds."""
    def edit(n, plain, stored, rng):
        return age_again(rng, plain, form=lambda head: (
            head[:-3] + text + b'---')) if n else stored
    return edit


def header_bytes(old, new):
    return lambda n, plain, stored, rng: re.sub(old, new, stored, count=1) \
        if n else stored


_SHARE = b'A' * 42 + b'E'
for _name, _edit in (
        ('no-type', stanza(b'-> \n\n')), ('arrow', stanza(b'->grease x\n\n')),
        ('two-spaces', stanza(b'-> a  b\n\n')),
        ('space-at-end', stanza(b'-> a \n\n')),
        ('control', stanza(b'-> a\x01b\n\n')), ('del', stanza(b'-> a\x7f\n\n')),
        ('no-short-line', stanza(b'-> a\n' + b'A' * 64 + b'\n')),
        ('one-letter', stanza(b'-> a\nA\n')), ('bits', stanza(b'-> a\nAB\n')),
        ('padded', stanza(b'-> a\nAA==\n')),
        ('long-line', stanza(b'-> a\n' + b'A' * 68 + b'\n')),
        ('x25519-alone', stanza(b'-> X25519\n' + _SHARE + b'\n')),
        ('x25519-more', stanza(b'-> X25519 ' + _SHARE + b' x\n' + _SHARE +
                               b'\n')),
        ('x25519-short', stanza(b'-> X25519 ' + b'A' * 42 + b'\n' + _SHARE +
                                b'\n')),
        ('x25519-bits', stanza(b'-> X25519 ' + b'A' * 42 + b'B\n' + _SHARE +
                               b'\n')),
        ('x25519-body', stanza(b'-> X25519 ' + _SHARE + b'\n' + b'A' * 42 +
                               b'\n')),
        ('password-beside', stanza(b'-> scrypt ' + b'A' * 22 + b' 10\n' +
                                   _SHARE + b'\n')),
        ('low-order', lambda n, p, s, r: age_again(
            r, p, form=lambda head: head.replace(
                b'-> ', b'-> X25519 ' + b'A' * 43 + b'\n' + _SHARE + b'\n-> ',
                1)) if n else s),
        ('no-recipient', lambda n, p, s, r: age_again(
            r, p, form=lambda head: head[:22] + b'---') if n else s),
        ('mac-space', header_bytes(b'\n--- ', b'\n---x')),
        ('mac-short', header_bytes(b'\n--- .', b'\n--- ')),
        ('mac-letter', header_bytes(b'\n--- .', b'\n--- !')),
        ('mac-bits', header_bytes(b'(\n--- .{42}).\n', br'\1B\n'))):
    age_break('head-' + _name, _edit)

# ---- the log, where one check would hide another ----------------------------


def note_after_end(lines):
    if b'"type":"end"' not in lines[-2]:
        return lines
    note, end = (json.loads(line) for line in lines[-3:-1])
    note['n'], end['n'] = end['n'], note['n']
    return lines[:-3] + [dumps(end), dumps(note), lines[-1]]


add('log-line-after-end', 'F16', part_edit(note_after_end))


def one_exhibit_less(line):
    """No line of e000002, and the end counts so."""
    if line['type'] == 'exhibit' and line['exhibit'] == 'e000002':
        return note_instead(line)
    if line['type'] == 'end':
        line['exhibits'] -= 1
    return line


def whole_and_in_parts(line):
    """A plain exhibit by the number of one that has parts."""
    line = one_exhibit_less(line)
    if line['type'] == 'exhibit' and line['exhibit'] == 'e000004':
        line['exhibit'] = 'e000002'
    return line


add('agree-left-open', 'F19', lambda: {'line': one_exhibit_less})
add('agree-plain-and-parts', 'F19', lambda: {
    'line': whole_and_in_parts, 'member': lambda path, data: (
        path.replace('data/e000004-', 'data/e000002-'), data)})
add('agree-plain-files', 'F19', line_edit('exhibit', insert_key(
    'path', 'files', 1)))
add('agree-part-id-0', 'F13', line_edit('part', put(exhibit='e000000')))
add('value-fraction-below', 'F20', line_edit('file', put(
    mtime='2026-09-21T13:33:20.1/2Z')))
for _name, _value in (('letter', 'e00000x'), ('below', 'e00000/')):
    add('value-exhibit-' + _name, 'F20', line_edit('call', put(
        exhibit=_value)))
for _name, _value in (('pad-three', 'e==='), ('pad-letter', 'eA=A')):
    add('value-base64-' + _name, 'F20', line_edit('file', put(path_b64=_value),
                                                  4))
add('agree-path-elsewhere', 'F19', line_edit('exhibit', put(
    path='tata/e000001-caller.json')))


def signature_lines(edit):
    """edit changes the four lines of the outer signature, and what follows."""
    def change(files):
        lines = files[_NAME + '.seal.minisig'].split(b'\n')
        edit(lines)
        files[_NAME + '.seal.minisig'] = b'\n'.join(lines)
    return files_break(change)


def algorithm(name):
    def edit(lines):
        from base64 import b64decode, b64encode
        lines[1] = b64encode(name + b64decode(lines[1])[2:])
    return edit


def place_in(number, edit):
    return lambda lines: lines.__setitem__(number, edit(lines[number]))


for _name, _edit in (
        ('legacy', algorithm(b'Ed')), ('unknown', algorithm(b'EX')),
        ('one-line', lambda l: l.__setitem__(slice(1, None), [b''])),
        ('two-lines', lambda l: l.__setitem__(slice(2, None), [b''])),
        ('three-lines', lambda l: l.__setitem__(slice(3, None), [b''])),
        ('no-lf', lambda l: l.pop()),
        ('short-comment', place_in(0, lambda one: b'untrusted')),
        ('control', place_in(2, lambda one: one + b'\x01')),
        ('bits', place_in(1, lambda one: one[:-2] + bytes(
            [one[-2] + 1]) + one[-1:])),
        ('letter', place_in(1, lambda one: b'!' + one[1:])),
        ('longer-line', place_in(1, lambda one: one[:-4] + one[-8:])),
        ('global-bits', place_in(3, lambda one: one[:-3] + bytes(
            [one[-3] + 1]) + one[-2:])),
        ('global-short', place_in(3, lambda one: one[:-4])),
        ('global-long', place_in(3, lambda one: one[:-4] + one[-8:])),
        ('global-other', place_in(3, lambda one: b'AAAA' + one[4:]))):
    add('signature-' + _name, 'F23', signature_lines(_edit))
for _name, _old, _new in (
        ('size-letter', rb'\n[0-9]+\n', b'\nx\n'),
        ('size-zero', rb'\n([0-9]+\n)', br'\n0\1'),
        ('root-short', rb'(\n[0-9]+\n).{4}', br'\1'),
        ('root-letter', rb'(\n[0-9]+\n).', br'\1!'),
        ('one-line', rb'\n[^$]*', b'\n'),
        ('origin-alone', rb'\n[^$]*', b''),
        ('no-blank', rb'\n\n', b'\n'),
        ('other-origin', b' crashcart/', b' crashcarf/'),
        ('no-space', rb'(crashcart/[0-9a-f-]+) ', br'\1-'),
        ('signature-short', rb'.{4}\n$', b'\n'),
        ('signature-letter', rb'.\n$', b'!\n')):
    add('checkpoint-' + _name, 'F18', text_break(
        'checkpoint', lambda d, old=_old, new=_new: re.sub(old, new, d,
                                                           count=1)))
for _name, _old, _new in (('control', b'minisign public', b'minisign\x01public'),
                          ('algorithm', b'\nRW', b'\nRX'),
                          ('letter', b'\nRW', b'\nR!'),
                          ('one-line', b'\n', b' ')):
    add('session-key-' + _name, 'F8', member_edit(
        'keys/session-1.pub', lambda d, old=_old, new=_new: d.replace(
            old, new, 1)))
stamp_break('list-no-space', 'F24', stamps=lambda _: '1xhttp://a/ granted\n')
stamp_break('list-url-only', 'F24', stamps=lambda _: '1 http://a/\n')
stamp_break('list-other-word', 'F24', stamps=lambda t: t.replace(
    'failed nobody', 'denied nobody'))
for _name, _kind, _edit in (
        ('sha-longer', 'part', lambda l: put(sha256=l['sha256'] + 'x')(l)),
        ('exhibit-other-letter', 'call', put(exhibit='x000001')),
        ('dev-left', 'file', put(dev='08:1')),
        ('dev-right', 'file', put(dev='8:01')),
        ('mode-empty', 'file', put(mode='')),
        ('mode-of-8', 'file', put(mode='00000644')),
        ('mtime-year-0', 'file', put(mtime='0000-01-01T00:00:00Z')),
        ('no-event', 'instance', without('event'))):
    add('value-' + _name, 'F20', line_edit(_kind, _edit))
add('prefix-no-type', 'F15', line_edit('note', without('type')))
add('info-bytes-agent-two', 'F12', member_edit(
    'bag-info.txt', lambda d: d.replace(b'(abcdef0)', b'(abc(def0)')))


def checkpoint_form(form):
    """Its first line | that of its signature; the right key made it."""
    def edit(data):
        from base64 import b64encode
        from hashlib import sha256
        key = signers()[0].sessions[0]
        origin, rest = data.decode().split('\n', 1)
        note = form.split('|')[0].format(origin=origin) + '\n' + rest[
            :rest.index('\n\n') + 1]
        key_id = sha256(origin.encode() + b'\n\x01' + key.point).digest()[:4]
        return (note + '\n' + form.split('|')[1].format(
            origin=origin, sig=b64encode(key_id + key.key.sign(
                note.encode())).decode()) + '\n').encode()
    return text_break('checkpoint', edit)


for _name, _form in (('no-origin', '|\u2014 {origin} {sig}'),
                     ('no-dash', '{origin}|{origin} {sig}'),
                     ('no-name', '{origin}|\u2014  {sig}'),
                     ('no-space-there', '{origin}|\u2014 {origin}{sig}')):
    add('checkpoint-' + _name, 'F18', checkpoint_form(_form))
age_break('mac-longer', lambda n, p, s, r: s[:s.index(b'\n--- ') + 48] +
          b'x' + s[s.index(b'\n--- ') + 48:])
age_break('header-long', lambda n, p, s, r: age_again(
    r, p, form=lambda h: h.replace(b'\n---', b'\n-> x y\n' * 33000 + b'\n---')))

# ---- right ones: what looks like more than it is ----------------------------


def short_stanza():
    """One of another kind, by a name that X25519 begins with."""
    from random import Random
    rng = Random(1)
    return {'age': lambda n, plain: age_again(
        rng, plain, form=lambda h: h.replace(b'\n---', b'\n-> X2551 x\n\n---'))}


RIGHT = {
    'dot-seal': Break('', lambda: {'files': lambda files: dict(
        files, **{'.seal': b'x'})}),
    'short-stanza': Break('', short_stanza, encrypted=True),
}
