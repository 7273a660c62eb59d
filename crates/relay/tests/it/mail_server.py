"""An SMTP server (aiosmtpd) that prints each message as a line of JSON.

mail_server.py plain|starttls|smtps CERTIFICATE KEY: with TLS it wants the password of "relay".
Whom a message is for says what becomes of it: later@ is put off once, never@ is refused, and the
connection breaks after the first message to broken@ was taken.
"""

import json
import socket
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

mode, certificate, key = sys.argv[1:4]
seen = set()


def first_time(what):
    is_new = what not in seen
    seen.add(what)
    return is_new


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@") and first_time(address):
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode(),
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        print(json.dumps(message), flush=True)
        if envelope.rcpt_tos[0].startswith("broken@") and first_time("broken"):
            server.transport.abort()
        return "250 2.0.0 taken as 7"


def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"relay", b"p@ss")
    return AuthResult(success=right, handled=False, auth_data=data if right else None)


arguments = {}
if mode != "plain":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    arguments = dict(authenticator=authenticate, auth_required=True)
    if mode == "smtps":
        arguments.update(ssl_context=context, auth_require_tls=False)
    else:
        arguments.update(tls_context=context, require_starttls=True)

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
controller = Controller(Handler(), hostname="127.0.0.1", port=port, **arguments)
controller.start()
print(port, flush=True)
while True:
    time.sleep(3600)
