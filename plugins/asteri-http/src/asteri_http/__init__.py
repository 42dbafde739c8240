"""The rules of HTTP that every asteri protocol and interface shares."""
