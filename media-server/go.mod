module guichet/mediaserver

go 1.26
