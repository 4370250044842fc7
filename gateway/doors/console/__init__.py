"""The operators' console: server-rendered pages on a socket of their own, for whoever is on duty.

It says "all is well" or what is wrong, since when, what that affects, how much grace is left, and what to do. It
changes nothing but by the engine, in the name of the person who is signed in. It works without scripts; the one there
is only fetches the page anew.
"""

from gateway.doors.console.app import console_app
from gateway.doors.console.desk import Desk
from gateway.doors.console.finding import Finder, Watches
from gateway.doors.console.visits import VisitPolicy, Visits

__all__ = ["Desk", "Finder", "VisitPolicy", "Visits", "Watches", "console_app"]
