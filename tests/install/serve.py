"""Serves a directory on 127.0.0.1, and answers as a plain file server never would.

/busy/ is out of order, /cut/ hangs up in the middle of an archive, /moved/ sends on to /releases/.
Prints two ports: its own, and one that is taken but that nobody listens on.
"""

import http.server
import os
import socket
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/busy/"):
            self.send_error(503)
        elif self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", "/releases/" + self.path[len("/moved/"):])
            self.end_headers()
        elif self.path.startswith("/cut/") and self.path.endswith(".tar.gz"):
            with open(self.translate_path("/releases/" + self.path[len("/cut/"):]), "rb") as file:
                whole = file.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
        elif self.path.startswith("/cut/"):
            self.path = "/releases/" + self.path[len("/cut/"):]
            super().do_GET()
        else:
            super().do_GET()

    def log_message(self, *_):
        pass

os.chdir(sys.argv[1])
dead = socket.socket()
dead.bind(("127.0.0.1", 0))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], dead.getsockname()[1], flush=True)
server.serve_forever()
