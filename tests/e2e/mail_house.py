"""A mail provider of the test's own: Debian's Postfix takes and delivers, Dovecot shows the mailboxes by IMAP.

    with MailHouse.running(guichet_port) as house:
        house.submit(mail, "aide@lune.example")
        with house.mailbox("ines") as imap: ...

Postfix gives the client's domain to Guichet's door; it is also the relay of Guichet's replies. Nothing below /etc
is read or written but what Debian's packages keep there; both need root to start, as they serve several users.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.support import leftovers
from tests.support.ports import listens
from tests.support.serving import lasting_port
from tests.support.waiting import wait_until_sync

DOMAIN = "mail.example"
CLIENT_DOMAIN = "lune.example"
PASSWORD = "mailbox"
PEOPLE = ("ines", "yves")

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/state
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
message_size_limit = 30000000
relay_domains = {client}
transport_maps = inline:{{ {client}=smtp:[127.0.0.1]:{door} }}
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_recipient_restrictions = permit_mynetworks, reject
notify_classes =
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{credulous} inet n - n - - smtpd -o smtpd_reject_unlisted_recipient=no
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%n
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


class MailHouse:
    """Postfix and Dovecot, running. `credulous` is a second port that takes mail for mailboxes that do not exist:
    it comes back as a report of delivery, where `port` refuses at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.credulous, self.imap = lasting_port(), lasting_port(), lasting_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @classmethod
    @contextmanager
    def running(cls, door: int) -> Iterator[MailHouse]:
        """Both servers; `door`: the port where Guichet takes mail."""
        if os.geteuid() != 0:
            pytest.skip("Postfix and Dovecot start only as root")
        folder = Path(tempfile.mkdtemp(prefix="guichet-mail-"))
        house = cls(folder)
        try:
            house._start(door)
            yield house
        finally:
            house._end()
            shutil.rmtree(folder, ignore_errors=True)

    def submit(self, mail: EmailMessage | bytes, sender: str, *to: str, port: int = 0) -> None:
        """A customer's program hands a mail in."""
        with smtplib.SMTP("127.0.0.1", port or self.port, timeout=20) as smtp:
            smtp.sendmail(sender, to, mail if isinstance(mail, bytes) else mail.as_bytes())

    @contextmanager
    def mailbox(self, person: str) -> Iterator[IMAPClient]:
        """A customer's inbox, opened by IMAP."""
        with IMAPClient("127.0.0.1", self.imap, ssl=False, timeout=20) as imap:
            imap.login(person, PASSWORD)
            imap.select_folder("INBOX")
            yield imap

    def log(self) -> str:
        files = [self.folder / "postfix.log", self.folder / "dovecot.log"]
        return "\n".join(file.read_text(errors="replace")[-4_000:] for file in files if file.exists())

    # -- its life --------------------------------------------------------------------------------------

    def _start(self, door: int) -> None:
        nobody = pwd.getpwnam("nobody")
        values = {
            "folder": self.folder, "domain": DOMAIN, "client": CLIENT_DOMAIN, "password": PASSWORD, "door": door,
            "port": self.port, "credulous": self.credulous, "imap": self.imap,
            "uid": nobody.pw_uid, "gid": nobody.pw_gid,
            "mailboxes": ", ".join(f"{{{person}@{DOMAIN} = {person}/}}" for person in PEOPLE),
        }  # fmt: skip
        self.folder.chmod(0o755)
        for name in ("spool", "state", "mail", "run", "postfix"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "state", "postfix")
        shutil.chown(self.folder / "mail", nobody.pw_uid, nobody.pw_gid)
        (self.folder / "postfix" / "main.cf").write_text(MAIN_CF.format(**values))
        (self.folder / "postfix" / "master.cf").write_text(MASTER_CF.format(**values))
        (self.folder / "dovecot.conf").write_text(DOVECOT.format(**values))
        config = str(self.folder / "postfix")
        subprocess.run([_program("postfix"), "-c", config, "check"], check=True, capture_output=True)
        # Not `postfix start`: its master would be nobody's child, and outlive the tests.
        daemons = subprocess.run(
            [_program("postconf"), "-c", config, "-h", "daemon_directory"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        self._launch(f"{daemons}/master", "-d", "-c", config)
        self._launch(_program("dovecot"), "-F", "-c", str(self.folder / "dovecot.conf"))
        ports = (self.port, self.credulous, self.imap)
        wait_until_sync(lambda: self._ended() or all(map(listens, ports)), "the mail servers listen", 20)
        assert not self._ended(), self.log()

    def _launch(self, *command: str) -> None:
        with (self.folder / "start.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                start_new_session=True,  # Postfix's master ends its own process group
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - must outlive nothing, not even kill -9 of pytest
            )
        leftovers.adopt(process.pid)
        self._processes.append(process)

    def _ended(self) -> bool:
        return any(process.poll() is not None for process in self._processes)

    def _end(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, f"{name} is not here: make test installs it"
    return path


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
