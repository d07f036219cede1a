package phone

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"guichet/mediaserver/internal/protocol"
)

// What a trunk may do when its document does not say.
const (
	defaultMaxCalls     = 100
	defaultMaxPerSecond = 10
)

// referredMinutes is how long a call is taken to last that the far side makes in our place: nobody tells when it ends.
// It is longer than most calls, so that the limit is reached too early rather than too late.
const referredMinutes = 10

// emergency are the short numbers that no limit holds back: European, French, British, American, Swiss,
// German, Australian, Japanese and Chinese ones. They are only matched whole.
var emergency = []string{"112", "15", "17", "18", "114", "115", "116", "119", "196", "191",
	"999", "911", "117", "118", "144", "110", "000", "120"}

// separators may stand in a number for the eye (RFC 3966).
var separators = strings.NewReplacer("-", "", ".", "", "_", "")

// limits keeps one trunk within what its document allows. It outlives a change of that document.
type limits struct {
	mu      sync.Mutex
	trunk   protocol.Trunk
	rate    *rate.Limiter
	calls   int
	metered map[string]float64 // running calls that cost: price a minute by endpoint
	last    time.Time          // until when they are charged; only its monotonic part is used
	spend   spend
}

// spend is what a trunk cost on one day; it is kept over a restart.
type spend struct {
	Day     string  `json:"day"`
	Amount  float64 `json:"amount"`
	Reached float64 `json:"reached,omitempty"` // the limit that was told to be reached
	kept    float64
}

// booked is what a call was charged beforehand, and on which day.
type booked struct {
	Day  string  `json:"day,omitempty"`
	Cost float64 `json:"cost,omitempty"`
}

func newLimits(trunk protocol.Trunk, now time.Time) *limits {
	l := &limits{metered: map[string]float64{}, last: now}
	l.set(trunk)
	return l
}

// set takes another document over; what runs and what was spent stays counted.
func (l *limits) set(trunk protocol.Trunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if trunk.MaxCalls == 0 {
		trunk.MaxCalls = defaultMaxCalls
	}
	if trunk.MaxPerSecond == 0 {
		trunk.MaxPerSecond = defaultMaxPerSecond
	}
	if l.rate == nil || l.trunk.MaxPerSecond != trunk.MaxPerSecond {
		burst := max(1, int(math.Ceil(trunk.MaxPerSecond)))
		l.rate = rate.NewLimiter(rate.Limit(trunk.MaxPerSecond), burst)
	}
	l.trunk = trunk
}

// admitIn counts an incoming call, or tells the cause of its refusal.
func (l *limits) admitIn(now time.Time) (cause string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.calls >= l.trunk.MaxCalls:
		return "max_calls"
	case !l.rate.AllowN(now, 1):
		return "max_per_s"
	}
	l.calls++
	return ""
}

// admitOut counts a call to a number, or refuses it with the field that forbids it. Emergency numbers pass
// every limit of a trunk that may dial at all.
func (l *limits) admitOut(number string, now time.Time) *protocol.Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	if refusal := l.mayDial(number, now); refusal != nil {
		return refusal
	}
	if !isEmergency(number) {
		if l.calls >= l.trunk.MaxCalls {
			return protocol.Refuse(http.StatusTooManyRequests, "limit", "max_calls",
				"the trunk carries as many calls as it may: wait for one to end, or raise max_calls")
		}
		if !l.rate.AllowN(now, 1) {
			return protocol.Refuse(http.StatusTooManyRequests, "limit", "max_per_s",
				"the trunk has begun as many calls this second as it may: try again in a second, or raise max_per_s")
		}
	}
	l.calls++
	return nil
}

// allowed tells whether a number may be dialled or transferred to, without counting a call.
func (l *limits) allowed(number string, now time.Time) *protocol.Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mayDial(number, now)
}

func (l *limits) mayDial(number string, now time.Time) *protocol.Refusal {
	if len(l.trunk.Countries) == 0 {
		return protocol.Refuse(http.StatusForbidden, "limit", "countries",
			"this trunk may dial no number: name the prefixes it may dial, such as +33")
	}
	if isEmergency(number) {
		return nil
	}
	if _, ok := longest(number, slices.Values(l.trunk.Countries)); !ok {
		return protocol.Refuse(http.StatusForbidden, "limit", "countries",
			"the number has none of the prefixes this trunk may dial: add its prefix, or use another trunk")
	}
	if l.trunk.SpendPerDay == 0 {
		return nil
	}
	if _, ok := l.price(number); !ok {
		return protocol.Refuse(http.StatusForbidden, "limit", "price_per_min",
			"with a spend limit a number needs a price: add its prefix to price_per_min")
	}
	l.charge(now)
	if l.spend.Amount >= l.trunk.SpendPerDay {
		return protocol.Refuse(http.StatusForbidden, "limit", "spend_per_day",
			"the trunk has cost today what it may: raise spend_per_day, or wait for midnight UTC")
	}
	return nil
}

// refer charges a call that the far side is to make in our place, or refuses it; unbook takes the charge back.
func (l *limits) refer(number string, now time.Time) (booked, *protocol.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if refusal := l.mayDial(number, now); refusal != nil {
		return booked{}, refusal
	}
	price, _ := l.price(number)
	l.charge(now)
	l.spend.Amount += price * referredMinutes
	return booked{Day: l.spend.Day, Cost: price * referredMinutes}, nil
}

// unbook takes back what a call was charged that was never made. What was charged on another day stays there.
func (l *limits) unbook(b booked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.Day == l.spend.Day {
		l.spend.Amount = max(0, l.spend.Amount-b.Cost)
	}
}

// answered begins to charge a dialled call; done ends the call, charged or not.
func (l *limits) answered(id, number string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.charge(now)
	if price, ok := l.price(number); ok && price > 0 {
		l.metered[id] = price
	}
}

// resumed counts a call that was running before a restart.
func (l *limits) resumed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
}

func (l *limits) done(id string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.charge(now)
	delete(l.metered, id)
	l.calls--
}

// running tells how many calls there are.
func (l *limits) running() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

// owed charges until now and tells what is to be kept, if it has changed.
func (l *limits) owed(now time.Time) (spend, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.charge(now)
	changed := l.spend.Amount != l.spend.kept
	l.spend.kept = l.spend.Amount
	return l.spend, changed
}

// reached tells that the calls have cost what they may: once a day, and once more when a limit that was raised is
// reached too.
func (l *limits) reached(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.charge(now)
	limit := l.trunk.SpendPerDay
	if limit == 0 || l.spend.Amount < limit || l.spend.Reached >= limit {
		return false
	}
	l.spend.Reached, l.spend.kept = limit, -1
	return true
}

// charge adds what the running calls cost since the last time: by the monotonic clock, so that a clock that
// jumps costs nothing. A new day (UTC) begins at nothing.
func (l *limits) charge(now time.Time) {
	minutes := now.Sub(l.last).Minutes()
	if minutes < 0 { // a tick that was waiting for us
		return
	}
	l.last = now
	if day := now.UTC().Format(time.DateOnly); day != l.spend.Day {
		l.spend = spend{Day: day, kept: -1}
	}
	for _, price := range l.metered {
		l.spend.Amount += price * minutes
	}
}

func (l *limits) price(number string) (float64, bool) {
	prefix, ok := longest(number, func(yield func(string) bool) {
		for prefix := range l.trunk.PricePerMin {
			if !yield(prefix) {
				return
			}
		}
	})
	return l.trunk.PricePerMin[prefix], ok
}

// longest finds the longest prefix of a number. "+33" and "33" are the same prefix of an international
// number (+33..., 0033...); a number written otherwise (an extension, a national one) has only prefixes
// written without +, digit by digit. What only separates digits is skipped, as carriers skip it; and no country
// begins with 0, so that a number with more zeros is no national one in disguise.
func longest(number string, prefixes func(func(string) bool)) (string, bool) {
	digits, international := strings.CutPrefix(separators.Replace(number), "+")
	if rest, ok := strings.CutPrefix(digits, "00"); ok && !international {
		digits, international = rest, true
	}
	if international && strings.HasPrefix(digits, "0") {
		return "", false
	}
	best, found := "", false
	for prefix := range prefixes {
		bare, plus := strings.CutPrefix(prefix, "+")
		if plus && !international || bare == "" || !strings.HasPrefix(digits, bare) {
			continue
		}
		if !found || len(bare) > len(strings.TrimPrefix(best, "+")) {
			best, found = prefix, true
		}
	}
	return best, found
}

func isEmergency(number string) bool { return slices.Contains(emergency, number) }
