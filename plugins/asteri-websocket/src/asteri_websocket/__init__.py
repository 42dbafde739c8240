"""WebSocket (RFC 6455) as a codec on an upgraded exchange, so that it is written once for every version of HTTP."""
