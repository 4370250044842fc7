"""Keys and who is trusted: the folder they lie in, the device, the vault, their ends and their rotation rehearsed.

`folder` reads them, `hsm` signs where they never leave a device, `vault` and `vault_watch` keep a key that two people
open together, `expiry` tells of certificates that end, `rehearsal` tries the next key, `keyring` makes all of it as the
configuration says.
"""

from gateway.keys.folder import KeyFolder, WatchedKeys

__all__ = ["KeyFolder", "WatchedKeys"]
