"""An OpenID Connect provider for tests: a discovery document and one key, over HTTPS.

usage: issuer.py ADDRESS PORT CERTIFICATE KEY MODULUS(hex)
"""

import base64
import http.server
import json
import ssl
import sys

address, port, certificate, key, modulus = sys.argv[1:]
url = f"https://{address}:{port}"
n = base64.urlsafe_b64encode(bytes.fromhex(modulus)).rstrip(b"=").decode()
DOCUMENTS = {
    "/.well-known/openid-configuration": {
        "issuer": url,
        "jwks_uri": f"{url}/keys",
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    },
    "/keys": {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": n, "e": "AQAB"}]},
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        document = DOCUMENTS.get(self.path)
        self.send_response(200 if document else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
