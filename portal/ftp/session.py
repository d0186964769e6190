"""What a station may say over FTP: it signs in with the account of its request and stores one file; no more."""

import socket
import time
from typing import Any

from django.db import connections
from pyftpdlib.exceptions import AuthenticationFailed
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.log import logger

from core import clock
from core.errors import DomainError
from portal.ftp.upload import LASTS_S, Upload
from stations.services import log_files

# STAT is among them as the library answers it apart from the others; it tells nothing here.
SAID = {
    *("USER", "PASS", "QUIT", "AUTH", "PBSZ", "PROT", "FEAT", "SYST", "NOOP", "STAT"),
    *("TYPE", "MODE", "STRU", "ALLO", "PASV", "EPSV", "STOR", "ABOR", "PWD", "XPWD", "CWD"),
}
ALLOWED = {"w", "e", "l"}  # to store; the two others concern "/", where everybody stays
IDLE_S = 60
SESSION_S = LASTS_S + 300
HERE = ("", "/", ".", "./")


class Accounts:
    """The library's authorizer: an account is known as long as its target takes a file."""

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        try:
            log_files.by_account(username, password, clock.now())
        except DomainError as error:
            raise AuthenticationFailed("Authentication failed.") from error
        finally:
            connections.close_all()

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in ALLOWED

    def get_home_dir(self, username: str) -> str:
        return "/"

    def get_msg_login(self, username: str) -> str:
        return "Store one file."

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."


class Names(AbstractedFS):
    """No file system: names stay as they were said and are checked by who stores the file."""

    def ftp2fs(self, ftppath: str) -> str:
        return ftppath

    def validpath(self, path: str) -> bool:
        return True


class Arriving(DTPHandler):
    """A data connection. Its reply comes after the commit, and a lost one is not the end of a file."""

    timeout = IDLE_S

    def enable_receiving(self, type: str, cmd: str) -> None:
        """Bytes as they come: a station that forgot to say TYPE I sends an archive all the same."""
        super().enable_receiving("i", cmd)

    def handle_read(self) -> None:
        super().handle_read()
        if self.file_obj is not None and self.file_obj.over and not self._closed:
            self.close()

    handle_read_event = handle_read

    def close(self) -> None:
        if not self._closed and self.file_obj is not None:
            if self.transfer_finished and self._ended_well():
                self.file_obj.finish()
            else:
                self.file_obj.close()
                self.transfer_finished = False
            self._resp = (self.file_obj.reply, logger.debug)
        super().close()

    def _ended_well(self) -> bool:
        """Neither reset, nor has the control connection ended with it, as when the station loses its power."""
        try:
            self.socket.getpeername()
            with socket.fromfd(self.cmd_channel.socket.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line:
                return bool(line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False


class Session(FTPHandler):
    """A control connection."""

    authorizer = Accounts()
    abstracted_fs = Names
    dtp_handler = Arriving
    banner = "Ready."
    timeout = IDLE_S
    auth_failed_timeout = 1
    proto_cmds = {name: rule for name, rule in FTPHandler.proto_cmds.items() if name in SAID}
    use_sendfile = False

    def found_terminator(self) -> None:
        """Who talks on and on without signing in, or ever, holds a connection no longer than a silent one."""
        if time.time() - self.started > (SESSION_S if self.authenticated else self.timeout):
            self.respond("421 This takes too long.")
            self.close_when_done()
        else:
            super().found_terminator()

    def run_as_current_user(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def ftp_STOR(self, file: str, mode: str = "w") -> None:
        if self._is_storing():
            return self.respond("450 Another file is on its way.")
        if self.data_channel is None and self._dtp_acceptor is None:
            return self.respond("425 Say PASV or EPSV first.")
        upload = Upload(self.password, file.removeprefix("/").removeprefix("./"))
        if not upload.start():
            return self.respond(upload.reply)
        if self.data_channel is None:
            self._in_dtp_queue = (upload, "STOR")
            return self.respond("150 Waiting for the data connection.")
        self.respond("125 Go on.")
        self.data_channel.file_obj = upload
        return self.data_channel.enable_receiving("i", "STOR")

    def ftp_ABOR(self, line: str) -> None:
        if self._in_dtp_queue is not None:
            self._in_dtp_queue[0].close()
            self._in_dtp_queue = None
        self._shutdown_connecting_dtp()
        if self.data_channel is not None:
            self.data_channel.close()
        self.respond("226 Nothing is on its way.")

    def ftp_CWD(self, path: str) -> None:
        if path in HERE:
            return self.respond('250 "/" is the current directory.')
        return self.respond("550 There is one directory only.")

    def ftp_STAT(self, path: str) -> None:
        self.respond("502 Not offered.")

    def _is_storing(self) -> bool:
        waiting = self._in_dtp_queue[0] if self._in_dtp_queue else None
        arriving = self.data_channel.file_obj if self.data_channel else None
        return any(upload is not None and not upload.over for upload in (waiting, arriving))


class SecureArriving(TLS_DTPHandler, Arriving):
    """A data connection under TLS."""


class SecureSession(TLS_FTPHandler, Session):
    """A control connection that says nothing of an account before AUTH TLS."""

    dtp_handler = SecureArriving
    proto_cmds = {name: rule for name, rule in TLS_FTPHandler.proto_cmds.items() if name in SAID}
    tls_control_required = True
    tls_data_required = True
