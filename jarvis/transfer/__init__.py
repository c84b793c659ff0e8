"""Taking what was made here elsewhere: one archive out, and in again, without any secret."""
