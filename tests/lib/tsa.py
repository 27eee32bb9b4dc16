#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A local time stamping authority (RFC 3161): openssl ts behind HTTP.

usage: tsa.py DIR [PORTFILE]
Makes in DIR a root (root.pem), an authority (tsa.pem) and a second root that
signed nothing (other.pem).  With PORTFILE it then serves on 127.0.0.1 until it
is killed, and writes its port there:
  /tsa       stamps;  /bare stamps without certificates
  /refuse    says no; /error answers 500; /junk answers something else
  /replay    answers what the first question of all got
Each question is kept as DIR/query-N.tsq.
"""
import http.server
import os
import subprocess
import sys

CONF = '''
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
[tsa]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
[no]
basicConstraints=critical,CA:FALSE
[ts]
serial=serial
crypto_device=builtin
signer_cert=tsa.pem
signer_key=tsa.key
signer_digest=sha256
certs=root.pem
default_policy=1.2.3.4.1
digests=sha256,sha384,sha512
accuracy=secs:1
ess_cert_id_chain=no
ess_cert_id_alg=sha256
[empty]
'''


def openssl(*args, **kwargs):
    return subprocess.run(['openssl', *args], check=True, capture_output=True,
                          **kwargs).stdout


def root(name, subject):
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:P-256', '-nodes', '-keyout', name + '.key',
            '-out', name + '.pem', '-days', '3650', '-subj', subject,
            '-config', 'min.cnf', '-extensions', 'ca')


def issue(name, section, subject, *more):
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:P-256', '-nodes', '-keyout', name + '.key',
            '-out', name + '.csr', '-subj', subject, '-config', 'min.cnf')
    openssl('x509', '-req', '-in', name + '.csr', '-CA', 'root.pem', '-CAkey',
            'root.key', '-set_serial', '77', '-days', '365', '-out',
            name + '.pem', '-extfile', 'ts.cnf', '-extensions', section, *more)


def make():
    with open('ts.cnf', 'w') as f:
        f.write(CONF)
    with open('min.cnf', 'w') as f:
        f.write('[req]\ndistinguished_name=dn\n[dn]\n' + CONF)
    with open('serial', 'w') as f:
        f.write('01\n')
    root('root', '/O=Test Lab/CN=Test Time Root')
    root('other', '/O=Other Lab/CN=Other Root')
    issue('tsa', 'tsa', '/O=Test Lab/CN=Test Time Authority')


class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    first = None

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind='application/timestamp-reply'):
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        query = self.rfile.read(int(self.headers['Content-Length']))
        if self.headers['Content-Type'] != 'application/timestamp-query':
            return self.answer(415, b'', 'text/plain')
        Handler.asked += 1
        name = 'query-%d.tsq' % Handler.asked
        with open(name, 'wb') as f:
            f.write(query)
        with open('agents', 'a') as f:
            print(self.headers['User-Agent'], file=f)
        if self.path == '/error':
            return self.answer(500, b'', 'text/plain')
        if self.path == '/junk':
            return self.answer(200, b'<html>', 'text/html')
        if self.path == '/refuse':      # status 2, "no"
            return self.answer(200, bytes.fromhex('30093007020102300 20c00'
                                                  .replace(' ', '')))
        if self.path == '/bare':
            query = query.replace(b'\x01\x01\xff', b'\x01\x01\x00')
            with open(name, 'wb') as f:
                f.write(query)
        reply = openssl('ts', '-reply', '-queryfile', name, '-config',
                        'ts.cnf', '-section', 'ts', '-inkey', 'tsa.key',
                        '-signer', 'tsa.pem')
        Handler.first = Handler.first or reply
        if self.path == '/replay':
            reply = Handler.first
        return self.answer(200, reply)


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    port_file = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
    os.chdir(sys.argv[1])
    make()
    if port_file:
        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        with open(port_file + '.new', 'w') as f:
            print(server.server_port, file=f)
        os.rename(port_file + '.new', port_file)
        server.serve_forever()


if __name__ == '__main__':
    main()
