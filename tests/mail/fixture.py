"""A mail server that does what the recipient's name says.

    fixture.py ca FOLDER           makes an authority and a certificate for localhost there
    fixture.py serve MODE FOLDER   MODE: plain, starttls (wanted), offered, tls, login or strangers

Serving prints one JSON object a line: its port, then each letter that it has taken.
"""

import asyncio
import base64
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def tell(value):
    print(json.dumps(value), flush=True)


class Handler:
    def __init__(self, mode):
        self.mode = mode

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.mode == "strangers":
            return "550 5.7.1 not your address"
        envelope.mail_from = address
        return "250 ok"

    async def handle_QUIT(self, server, session, envelope):
        if self.mode == "plain" and "unmoved@shop.example" in getattr(session, "letters", []):
            await asyncio.sleep(3600)
        return "221 bye"

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "refused":
            return "550 5.1.1 no such mailbox"
        if name == "busy":
            return "451 4.3.0 come back later"
        if name == "closed":
            return "421 4.3.2 closing"
        if name == "slow":
            await asyncio.sleep(2)
        if name == "hanging":
            await asyncio.sleep(3600)
        if name == "dropped":
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "spam":
            return "554 5.7.1 not wanted"
        if name == "full":
            return "452 4.2.2 mailbox full"
        if name == "cut":
            server.transport.abort()
            return "250 taken"
        session.letters = [*getattr(session, "letters", []), *envelope.rcpt_tos]
        secure = server.transport.get_extra_info("ssl_object") is not None
        letter = base64.b64encode(envelope.original_content or envelope.content)
        tell({"to": envelope.rcpt_tos, "letter": letter.decode(), "tls": secure})
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"shop", b"secret")
    return AuthResult(success=known, handled=True)


async def serve(mode, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem")
    options = {}
    if mode == "starttls":
        options = {"tls_context": context, "require_starttls": True}
    if mode == "offered":
        options = {"tls_context": context}
    if mode == "login":
        options = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}

    def session():
        return SMTP(Handler(mode), hostname="fixture", **options)

    secure = context if mode == "tls" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=secure)
    tell({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


def make_authority(folder):
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(f"{folder}/ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")


if sys.argv[1] == "ca":
    make_authority(sys.argv[2])
else:
    asyncio.run(serve(sys.argv[2], sys.argv[3]))
