"""What the tests of the media server share: the server itself, a carrier (sipp), people who speak in tones."""
