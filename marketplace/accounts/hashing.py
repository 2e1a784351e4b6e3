"""How passwords are stored."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idHasher(Argon2PasswordHasher):
    """Argon2id (RFC 9106) with 19 MiB, two passes and one lane: the first choice of OWASP's password storage cheat sheet.

    About 30 ms of processor time and bounded memory per sign-in; an attacker with graphics cards pays for the memory.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
