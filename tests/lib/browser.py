# SPDX-License-Identifier: Apache-2.0
"""Chromium, spoken to over a pipe: the pages that we make, in a real browser
without a network.  Whatever a page complains of or asks the network for is
kept in Page.complaints and Page.requests.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

LIMIT = 300     # seconds that anything may take


class Browser:
    def __init__(self):
        program = os.environ.get('CHROMIUM') or shutil.which('chromium')
        if not program:
            raise SystemExit('no chromium: scripts/bootstrap --test')
        # not in the home of the test: a socket's path must be short
        self.profile = tempfile.mkdtemp(prefix='cart-browser.')
        to_read, self.write = os.pipe()
        self.read, to_write = os.pipe()
        high = [os.dup2(fd, 20 + i) for i, fd in
                enumerate((to_read, to_write))]
        command = [
            'bash', '-c', 'exec 3<&20 4>&21 20<&- 21>&-; exec "$@"', 'bash',
            program, '--headless=new', '--no-sandbox', '--disable-gpu',
            '--no-first-run', '--disable-background-networking',
            '--disable-component-update', '--disable-sync',
            '--disable-extensions', '--disable-dev-shm-usage',
            '--force-color-profile=srgb', '--hide-scrollbars',
            '--host-resolver-rules=MAP * ~NOTFOUND', '--js-flags=--expose-gc',
            '--enable-precise-memory-info',
            '--remote-debugging-pipe', '--user-data-dir=' + self.profile,
            'about:blank']
        self.process = subprocess.Popen(
            command, pass_fds=high, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, HOME=self.profile))
        for fd in [to_read, to_write] + high:
            os.close(fd)
        self.number, self.buffer, self.pages = 0, b'', {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call('Browser.close')
        except (OSError, RuntimeError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.read)
        os.close(self.write)
        shutil.rmtree(self.profile, ignore_errors=True)

    def message(self, limit):
        """The next message, None after limit seconds."""
        while b'\0' not in self.buffer:
            if not select.select([self.read], [], [], max(limit, 0))[0]:
                return None
            data = os.read(self.read, 1 << 20)
            if not data:
                raise RuntimeError('the browser ended')
            self.buffer += data
        one, self.buffer = self.buffer.split(b'\0', 1)
        return json.loads(one)

    def take(self, limit):
        one = self.message(limit)
        if one and 'method' in one and one.get('sessionId') in self.pages:
            self.pages[one['sessionId']].event(one['method'], one['params'])
        return one

    def call(self, method, session=None, **params):
        self.number += 1
        one = {'id': self.number, 'method': method, 'params': params}
        if session:
            one['sessionId'] = session
        os.write(self.write, json.dumps(one).encode() + b'\0')
        end = time.monotonic() + LIMIT
        while True:
            got = self.take(end - time.monotonic())
            if got is None:
                raise RuntimeError('%s: no answer' % method)
            if got.get('id') == self.number:
                if 'error' in got:
                    raise RuntimeError('%s: %s' % (method, got['error']))
                return got['result']

    def page(self, path, width=1280, height=900, script=True):
        """Opens a file; file:// is where people open these pages from."""
        target = self.call('Target.createTarget', url='about:blank')
        session = self.call('Target.attachToTarget', flatten=True,
                            targetId=target['targetId'])['sessionId']
        page = Page(self, session, target['targetId'])
        self.pages[session] = page
        for domain in ('Page', 'Runtime', 'Log', 'Network', 'DOM'):
            page.call(domain + '.enable')
        page.call('Network.emulateNetworkConditions', offline=True, latency=0,
                  downloadThroughput=-1, uploadThroughput=-1)
        if not script:
            page.call('Emulation.setScriptExecutionDisabled', value=True)
        page.size(width, height)
        page.open(path)
        return page


class Page:
    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target
        self.complaints, self.requests, self.loaded = [], [], 0

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def event(self, method, params):
        if method == 'Runtime.exceptionThrown':
            self.complaints.append(params['exceptionDetails'])
        elif method == 'Log.entryAdded':
            self.complaints.append(params['entry'])
        elif method == 'Runtime.consoleAPICalled':
            self.complaints.append(params['args'])
        elif method == 'Network.requestWillBeSent':
            self.requests.append(params['request']['url'])
        elif method == 'Page.loadEventFired':
            self.loaded += 1

    def open(self, path):
        self.url = 'file://' + os.path.abspath(path)
        self.call('Page.navigate', url=self.url)
        self.until(lambda: self.loaded > 0, 'the page')

    def until(self, done, what, limit=LIMIT):
        end = time.monotonic() + limit
        while not done():
            if time.monotonic() > end:
                raise RuntimeError('%s: no end' % what)
            self.browser.take(0.05)

    def run(self, expression):
        """The value of an expression of the page's script; promises too."""
        got = self.call('Runtime.evaluate', expression=expression,
                        returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in got:
            raise RuntimeError(json.dumps(got['exceptionDetails']))
        return got['result'].get('value')

    def choose(self, selector, paths):
        """As if a person chose these files."""
        node = self.call('Runtime.evaluate', expression='document.'
                         'querySelector(%s)' % json.dumps(selector))
        self.call('DOM.setFileInputFiles', files=list(paths),
                  objectId=node['result']['objectId'])

    def key(self, key, code=0, text=None):
        """A key of the keyboard, pressed and let go."""
        more = {'text': text} if text else {}
        for kind in ('keyDown', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key=key,
                      windowsVirtualKeyCode=code, **more)
            more = {}

    def size(self, width, height):
        self.call('Emulation.setDeviceMetricsOverride', width=width,
                  height=height, deviceScaleFactor=1, mobile=width < 600)

    def picture(self, path):
        """All of the page."""
        got = self.call('Page.captureScreenshot', format='png',
                        captureBeyondViewport=True)
        with open(path, 'wb') as out:
            out.write(base64.b64decode(got['data']))

    def downloads(self, folder):
        self.browser.call('Browser.setDownloadBehavior', behavior='allow',
                          downloadPath=folder)

    def too_wide(self, width):
        """What stands out of a window of that width on the right."""
        self.size(width, 900)
        return self.run('''(() => {
            const w = %d;
            return document.documentElement.scrollWidth <= w ? [] :
                [...document.querySelectorAll('body *')].filter((e) =>
                    e.getBoundingClientRect().right > w + 1 &&
                    !e.closest('.wide')).map((e) => e.outerHTML
                    .slice(0, 200)).slice(0, 5);
        })()''' % width)

    def close(self):
        del self.browser.pages[self.session]
        self.browser.call('Target.closeTarget', targetId=self.target)
