package phone

// Drain refuses new incoming calls from now on (503), so that a carrier tries another host of ours.
func (s *Server) Drain() { s.draining.Store(true) }

// TrunksRev is the revision of the trunks that stand; 0 before any were set.
func (s *Server) TrunksRev() uint64 {
	s.trunksMu.Lock()
	defer s.trunksMu.Unlock()
	return s.trunksDoc.Rev
}
