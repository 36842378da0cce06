"""Two things a gateway owes by RFC 9110 that the conformance suite cannot set up: trust, and a loop."""

import unittest

import harness


class Secured(harness.Case):
    def ask_https(self, **config):
        one = self.origin()
        lb = self.ballast([one.url], workers=1, **config)
        with lb.connect() as client:
            client.send(b"GET https://hc.test/x HTTP/1.1\r\nHost: hc.test\r\n\r\n")
            return client.read_response()

    def test_an_https_resource_is_misdirected_on_a_plain_connection(self):
        self.assertEqual(self.ask_https().status, 421)

    def test_a_trusted_proxy_may_ask_for_an_https_resource(self):
        self.assertNotEqual(self.ask_https(trusted_proxies=["127.0.0.0/8"]).status, 421)


class Loop(harness.Case):
    def test_a_request_that_comes_back_to_us_ends_with_an_error(self):
        """RFC 9110 7.6: every pass adds a line of Via, so that the limits of the head end it."""
        one = self.origin()
        lb = self.ballast([one.url], workers=1, health_check="off", rate_limit="off")
        lb.reload(backends=["http://127.0.0.1:%d" % lb.port])
        self.assertEqual(lb.ask().status, 431)
        self.assertEqual(lb.ask().status, 431)


if __name__ == "__main__":
    unittest.main()
