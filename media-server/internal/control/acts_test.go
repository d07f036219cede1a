package control

import (
	"fmt"
	"testing"
)

func TestTheMemoryOfActsIsBounded(t *testing.T) {
	memory := newActs()
	done := map[string]int{}
	do := func(key string) {
		if err := memory.once(key, nil, func() error { done[key]++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * actsKept {
		do(fmt.Sprint(i))
	}
	do(fmt.Sprint(3*actsKept - 1))
	do(fmt.Sprint(2 * actsKept))
	do("0")
	if len(memory.known) != actsKept || done[fmt.Sprint(3*actsKept-1)] != 1 || done[fmt.Sprint(2*actsKept)] != 1 || done["0"] != 2 {
		t.Fatalf("%d are known", len(memory.known))
	}
}
