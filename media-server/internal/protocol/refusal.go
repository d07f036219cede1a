package protocol

import (
	"fmt"
	"net/http"
)

// Refusal is how a package says no to the outside: the status and the body of the answer. The body names
// the field at fault, when there is one, and what to do about it.
type Refusal struct {
	Status int
	Body   Error
}

// Error makes a Refusal an error; it holds no personal data, so it may be logged.
func (r *Refusal) Error() string {
	if r.Body.Field == "" {
		return fmt.Sprintf("%s: %s", r.Body.Code, r.Body.Remedy)
	}
	return fmt.Sprintf("%s at %s: %s", r.Body.Code, r.Body.Field, r.Body.Remedy)
}

// Refuse makes a refusal of any status; field may be empty.
func Refuse(status int, code, field, remedy string) *Refusal {
	return &Refusal{Status: status, Body: Error{Code: code, Field: field, Remedy: remedy}}
}

// BadField (422) refuses a document for the content of one field, named by its path ("rooms[2].rev").
func BadField(field, remedy string) *Refusal {
	return Refuse(http.StatusUnprocessableEntity, "bad_field", field, remedy)
}

// OldRev (409) refuses a document older than the one that stands, or another one of the same revision.
func OldRev(field string, standing uint64) *Refusal {
	return Refuse(http.StatusConflict, "old_rev", field,
		fmt.Sprintf("revision %d stands with another content: read /v1/state and put a newer one", standing))
}

// Unknown (404) refuses an act on something that is not there, or not any more.
func Unknown(what string) *Refusal {
	return Refuse(http.StatusNotFound, "unknown_"+what, "", "there is no such "+what+" (any more): read /v1/state")
}

// WrongState (409) refuses an act that the state of its endpoint does not allow.
func WrongState(act, state string) *Refusal {
	return Refuse(http.StatusConflict, "wrong_state", "", "an endpoint that is "+state+" cannot "+act+": read /v1/state")
}

// Unavailable (503) refuses what could be done at another time.
func Unavailable(code, remedy string) *Refusal {
	return Refuse(http.StatusServiceUnavailable, code, "", remedy)
}
