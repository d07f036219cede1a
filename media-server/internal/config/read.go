package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// maxFile bounds the configuration file, in bytes.
const maxFile = 64 << 10

// Read takes the file over the defaults; a field it does not know is an error. An empty path: the defaults.
func Read(path string) (Config, error) {
	cfg := New()
	if path == "" {
		return cfg, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return cfg, fmt.Errorf("read the configuration: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return cfg, fmt.Errorf("read the configuration: %w", err)
	}
	if len(data) > maxFile {
		return cfg, fmt.Errorf("configuration %s: more than %d bytes, which is no configuration", path, maxFile)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&cfg); err != nil {
		return cfg, fmt.Errorf("configuration %s: %w", path, err)
	}
	return cfg, nil
}

// Check tells everything that is wrong with the configuration and what to do, without binding anything.
func (c Config) Check() error {
	return errors.Join(
		address("control", c.Control, false),
		address("sip_udp", c.SIPUDP, true), address("sip_tcp", c.SIPTCP, true), address("sip_tls", c.SIPTLS, true),
		address("web_udp", c.WebUDP, true), address("web_tcp", c.WebTCP, true),
		ip("rtp_host", c.RTPHost), ip("public_host", c.PublicHost), c.checkNumbers(),
		folder("state", c.State), folder("prompts", c.Prompts), folder("spool", c.Spool),
		c.checkTLS(), c.checkParking(),
	)
}

func address(name, value string, optional bool) error {
	if value == "" && optional {
		return nil
	}
	host, port, err := net.SplitHostPort(value)
	number, err2 := strconv.Atoi(port)
	if err != nil || err2 != nil || number < 0 || number > 65535 || net.ParseIP(host) == nil {
		return fmt.Errorf("%s is %q: write an address and a port, such as 127.0.0.1:5060 or [::]:5060", name, value)
	}
	return nil
}

func ip(name, value string) error {
	if net.ParseIP(value) == nil {
		return fmt.Errorf("%s is %q: write an IP address of this host", name, value)
	}
	return nil
}

func (c Config) checkNumbers() error {
	if c.RTPFirst < 1024 || c.RTPLast > 65535 || c.RTPFirst+1 > c.RTPLast {
		return fmt.Errorf("rtp_first %d and rtp_last %d: write a range within 1024 and 65535, two ports for each call", c.RTPFirst, c.RTPLast)
	}
	if c.WebMax < 1 || c.WebMax > 100_000 {
		return fmt.Errorf("web_max is %d: write a number from 1 to 100000", c.WebMax)
	}
	return nil
}

func folder(name, path string) error {
	if path == "" {
		return fmt.Errorf("%s is empty: write the path of a folder", name)
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is %s, which is a file: write the path of a folder", name, path)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: this user must be able to read the folder: %w", name, err)
	}
	return nil
}

func (c Config) checkTLS() error {
	var all []error
	if c.SIPTLS != "" && (c.TLSCert == "" || c.TLSKey == "") {
		all = append(all, errors.New("sip_tls needs tls_cert and tls_key: write the paths of two PEM files"))
	}
	for name, path := range map[string]string{"tls_cert": c.TLSCert, "tls_key": c.TLSKey, "tls_roots": c.TLSRoots} {
		if path == "" {
			continue
		}
		if file, err := os.Open(path); err != nil {
			all = append(all, fmt.Errorf("%s: this user must be able to read the file: %w", name, err))
		} else {
			_ = file.Close()
		}
	}
	return errors.Join(all...)
}

func (c Config) checkParking() error {
	var how, prompt error
	if c.Park != "early" && c.Park != "answer" && c.Park != "off" {
		how = fmt.Errorf("park is %q: write early, answer or off", c.Park)
	}
	if c.DefaultPrompt != "" {
		if !filepath.IsLocal(c.DefaultPrompt) {
			prompt = fmt.Errorf("default_prompt is %q: write a path below the folder of prompts", c.DefaultPrompt)
		} else if _, err := os.Stat(filepath.Join(c.Prompts, c.DefaultPrompt)); err != nil {
			prompt = fmt.Errorf("default_prompt: put the file there, or leave it empty for a ringing tone: %w", err)
		}
	}
	return errors.Join(how, prompt)
}
