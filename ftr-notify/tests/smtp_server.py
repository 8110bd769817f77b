"""A real mail server for the tests: aiosmtpd on a loopback port of the kernel's choice.

Prints the port, then each message that it took as one line of JSON.
"""

import argparse
import asyncio
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--certificate", help="PEM file with certificate and key")
parser.add_argument("--implicit", action="store_true", help="TLS from the first byte")
parser.add_argument("--auth", choices=["PLAIN", "LOGIN"], help="demand it, from user:secret")
options = parser.parse_args()


class Handler:
    """Refuses some recipients, and reports what it takes."""

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        user = address.partition("@")[0]
        if user == "unknown":
            return "550 5.1.1 no such user\x1b[2J here"
        if user == "later":
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "hello": session.host_name,
            "tls": options.implicit or session.ssl is not None,
            "text": envelope.content.decode(),
        }
        print(json.dumps(message), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, credentials):
    good = mechanism == options.auth and (credentials.login, credentials.password) == (b"user", b"secret")
    return AuthResult(success=good, handled=False, message=None if good else "535 5.7.8 wrong\x07 password")


def protocol(context):
    return SMTP(
        Handler(),
        hostname="mail.test",
        tls_context=None if options.implicit else context,
        authenticator=authenticate if options.auth else None,
        auth_required=options.auth is not None,
        auth_require_tls=context is not None and not options.implicit,
        auth_exclude_mechanism={"PLAIN", "LOGIN"} - {options.auth},
    )


async def main():
    context = None
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol(context), "127.0.0.1", options.port, ssl=context if options.implicit else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
