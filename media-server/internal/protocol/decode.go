package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Decode reads a document strictly: a field that is not known is refused, as it would be a wish unheard.
func Decode(data []byte, doc any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(doc)
	if err == nil {
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return Refuse(http.StatusBadRequest, "bad_json", "", "one JSON document and nothing after it")
		}
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return BadField(wrong.Field, "must be of type "+wrong.Type.String())
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return BadField(strings.Trim(name, `"`), "no such field: see docs/reference/media-control.md")
	}
	return Refuse(http.StatusBadRequest, "bad_json", "", "the body must be one JSON document")
}
