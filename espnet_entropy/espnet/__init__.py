"""The package inside ESPnet: plug-in, frontends, data set, decoding."""
