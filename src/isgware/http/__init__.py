"""HTTP caching as the RFCs define it: syntax and rules of RFC 9110, 9111, 9211 and 9213. Pure."""
