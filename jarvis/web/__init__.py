"""HTTP mechanisms shared by every feature's pages and API; knows no feature."""
