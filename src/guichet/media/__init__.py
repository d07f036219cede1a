"""Rooms, endpoints, who hears whom. Python holds what is desired; a media server makes it audible."""
