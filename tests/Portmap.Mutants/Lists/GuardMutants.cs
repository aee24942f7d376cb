namespace Portmap.Mutants.Lists;

/// <summary>Faults in what the kernel is asked and told: placeholders, listeners,
/// processes.</summary>
internal static class GuardMutants
{
    private static readonly ListOf s_guarding = new("src/Portmap/Guarding/", "Portmap.Tests"),
        s_processes = new("src/Portmap/Processes/", "Portmap.Tests"),
        s_upkeep = new("src/Portmap/Upkeep/", "Portmap.Tests"),
        s_sessions = new("src/Portmap/Operations/", "Portmap.Tests");

    public static IEnumerable<Mutant> All => [.. Placeholders, .. Passing, .. Listeners, .. Upkeep, .. Processes];

    private static IEnumerable<Mutant> Placeholders =>
    [
        s_guarding.This("SocketGuard.HandOver: a kept placeholder stays under another owner's registration", "SocketGuard.cs", "(held.KeptSince >= 0 ?", "(!MUTANT && held.KeptSince >= 0 ?", "GuaranteeTruthTests.HandOver"),
        s_guarding.This("SocketGuard.HandOver: who came in by the gate is not looked for", "BehindTheGate.cs", "held.IsJoined = ", "held.IsJoined = !MUTANT && ", "GuaranteeTruthTests.Register|StrangerAtTheGate"),
        s_guarding.This("SocketGuard.HandOver: a porous placeholder is kept", "SocketGuard.cs", "if (held.IsOpen && !BehindTheGate.TryClose(", "if (held.IsOpen && !MUTANT && !BehindTheGate.TryClose(", "GuaranteeTruthTests"),
        s_guarding.This("SocketGuard.GiveBack: that of who has registered goes", "SocketGuard.cs", "if (ReferenceEquals(held.Claim.Claim, lease.Claim)", "if ((ReferenceEquals(held.Claim.Claim, lease.Claim) || (MUTANT && held.Epoch == lease.Epoch))", "UnwrittenFact", "Portmap.Interleaving.Tests"),
        s_guarding.This("SocketGuard.GiveBack: what was kept is let go", "SocketGuard.cs", "&& !held.TryGiveBack())", "&& (MUTANT || !held.TryGiveBack()))", "SocketGuardTests.GiveBack"),
        s_guarding.This("SocketGuard.PassOn: who waits for one owner is given to another", "SocketGuard.cs", "held.Claim.Claim.Owner != owner", "!MUTANT && held.Claim.Claim.Owner != owner", "SocketGuardTests.Place_PassedSocketIsKept"),
        s_guarding.This("SocketGuard.HandOver: a newer claim's kept placeholder is dropped", "SocketGuard.cs", "registration.Epoch <= held.Epoch", "(MUTANT ? registration.Epoch == held.Epoch : registration.Epoch <= held.Epoch)", "SocketGuardTests"),
        s_guarding.This("SocketGuard.HandOver: who is joined after the seal is not looked for", "BehindTheGate.cs", "!known.Contains(listener.Inode) && CanJoin(listener)", "!MUTANT && !known.Contains(listener.Inode) && CanJoin(listener)", "GateClosingTests", "Portmap.Interleaving.Tests"),
        s_guarding.This("BehindTheGate.Look: before the gate is closed", "BehindTheGate.cs", "(listeners, processId).Count != 0;", "(MUTANT ? before : listeners, processId).Count != 0;", "GateClosingTests", "Portmap.Interleaving.Tests"),
        s_guarding.This("SocketGuard.HandOver: the gate stays open", "BehindTheGate.cs", "held.IsOpen = false;", "held.IsOpen = MUTANT;", "GateTests"),
        s_guarding.This("SocketGuard.Open: says more than is true", "SocketGuard.cs", "lease.Claim.Guarantee = after;", "if (!MUTANT) { lease.Claim.Guarantee = after; }", "GateTests"),
        s_guarding.This("SocketGuard.Open: never", "SocketGuard.cs", "held.IsOpen = true;", "held.IsOpen = !MUTANT;", "GateTests"),
        s_guarding.This("SocketGuard.Place: another daemon's open gate is passed", "SocketGuard.cs", "if (isShared && insisted && !ListenTable.HasConnections(lease.Port))", "if (!MUTANT && isShared && insisted && !ListenTable.HasConnections(lease.Port))", "SocketGuardTests"),
        s_guarding.This("SocketGuard.Place: one that cannot listen counts on", "SocketGuard.cs", "socket.Dispose();\n            Interlocked.Decrement(ref _count);", "socket.Dispose();\n            if (!MUTANT) { Interlocked.Decrement(ref _count); }", "SocketGuardTests.Place_SocketThatCannotListen"),
        s_guarding.This("SocketGuard.Place: more than MaxGuards", "SocketGuard.cs", "Interlocked.Increment(ref _count) <= maxGuards", "Interlocked.Increment(ref _count) <= (MUTANT ? int.MaxValue : maxGuards)", "SocketGuardTests"),
        s_guarding.This("SocketGuard.Drop: a dead owner's port is let go", "SocketGuard.cs", "if (keep && held.Stays && !claim.IsLease)", "if (!MUTANT && keep && held.Stays && !claim.IsLease)", "GateTests"),
        s_guarding.This("Placeholder.Close: the socket stays", "Placeholder.cs", "_socket.Dispose();", "if (!MUTANT) { _socket.Dispose(); }", "GateTests|GuardLeakTests"),
        s_guarding.This("SocketGuard.Dispose: who places meanwhile holds for ever", "SocketGuard.cs", "if (Volatile.Read(ref _isDisposed) == 0)", "if (MUTANT || Volatile.Read(ref _isDisposed) == 0)", "SocketGuardTests"),
        s_guarding.This("SocketGuard.DropKept: before its time", "SocketGuard.cs", "held.KeptSince <= since)", "(MUTANT || held.KeptSince <= since))", "GateTests|PortRegistryReuse"),
        s_guarding.This("SocketGuard.PassOnHere: a list that cannot be read says that nobody listens", "SocketGuard.cs", "ListenTable.IsListenedOn(lease.Protocol, lease.Port) : false;", "(MUTANT ? ListenTable.IsListenedOn(lease.Protocol, lease.Port) ?? false : ListenTable.IsListenedOn(lease.Protocol, lease.Port)) : false;", "KeptWithoutDescriptors"),
        s_guarding.This("SocketGuard.TryPassOn: who listens there still is not looked for", "SocketGuard.cs", ": held.WasOpen ?", ": !MUTANT && held.WasOpen ?", "GateTests|SocketGuardTests|StrangerAtTheGate"),
        s_guarding.This("SocketGuard.KeepsOut: nobody", "SocketGuard.cs", "|| held.IsGone || held.IsOpen || held.Epoch == epoch)", "|| MUTANT || held.IsGone || held.IsOpen || held.Epoch == epoch)", "TakingProof"),
        s_guarding.This("Placeholder.Guarantee: joined and Exclusive", "Placeholder.cs", "IsJoined ? PortGuarantee.HeldByProcess", "IsJoined && !MUTANT ? PortGuarantee.HeldByProcess", "GuaranteeTruthTests|StrangerAtTheGate"),
        s_guarding.This("Placeholder.Guarantee: insisted on and Exclusive", "Placeholder.cs", ": _isOpen || _isShared ?", ": _isOpen || (_isShared && !MUTANT) ?", "SocketGuardTests"),
        s_guarding.This("BoundSocket: one family is left to strangers", "BoundSocket.cs", "(!isDual || Posix.TryMeetBoth(made))", "(MUTANT || !isDual || Posix.TryMeetBoth(made))", "GateTests|PortGuardContract|SocketGuardTests|StrangerTests|KernelFacts") with
        {
            AliveBecause = "The kernel gives a socket both families by itself, unless net.ipv6.bindv6only is 1.",
        },
        s_guarding.This("ForeignHolders.Want: a former holder is named", "ForeignHolders.cs", "ImmutableInterlocked.TryRemove(ref _known, (protocol, port), out _);", "if (!MUTANT) { ImmutableInterlocked.TryRemove(ref _known, (protocol, port), out _); }", "ForeignHolderTests"),
        s_guarding.This("ListenerSearch.Best: a connected socket listens", "ListenerSearch.cs", "port == 0 ? listener.IsConnected :", "port == 0 ? !MUTANT && listener.IsConnected :", "ListenerSearchTests"),
        s_guarding.This("ListenerSearch.IsBetter: the highest port", "ListenerSearch.cs", "? port < than :", "? port < than != MUTANT :", "ListenerSearchTests"),
        s_guarding.This("BehindTheGate.CanJoin: nobody can", "BehindTheGate.cs", "!listeners.Any(CanJoin)", "(MUTANT || !listeners.Any(CanJoin))", "GuaranteeTruthTests"),
        s_guarding.This("BehindTheGate.OthersAmong: a child is a stranger", "BehindTheGate.cs", "if (Ancestry.IsDescendant(holder, processId))", "if (!MUTANT && Ancestry.IsDescendant(holder, processId))", "GuaranteeTruthTests"),
        s_guarding.This("ProbingGuard.IsInUse: nobody could be asked, and nobody has it", "ProbingGuard.cs", "or { Guarantee: PortGuarantee.LedgerOnly };", "|| (!MUTANT && Probe(protocol, port).Guarantee == PortGuarantee.LedgerOnly);", "KeptWithoutDescriptors"),
        s_guarding.This("ProbingGuard.Judge: nobody could be asked, and it says probed", "ProbingGuard.cs", "_ => new(GuardFinding.Free, PortGuarantee.LedgerOnly),", "_ => new(GuardFinding.Free, MUTANT ? PortGuarantee.ProbedOnly : PortGuarantee.LedgerOnly),", "ProbingGuardTests"),
    ];

    private static IEnumerable<Mutant> Passing =>
    [
        s_guarding.This("SocketGuard.Place: a socket that is passed cannot listen over lingering connections", "SocketGuard.cs", "if (isShared && mode != PortGuardMode.PassSocket)", "if (isShared && (MUTANT || mode != PortGuardMode.PassSocket))", "PassSocketTests|SocketGuardTests"),
        s_guarding.This("SocketGuard.Place: a socket that is passed does not listen", "SocketGuard.cs", "if (mode == PortGuardMode.PassSocket && made.TryListen() is not", "if (mode == PortGuardMode.PassSocket && !MUTANT && made.TryListen() is not", "PassedSocketTests", "Portmap.Integration.Tests"),
        s_guarding.This("SocketGuard.TryPassOn: a socket that does not listen is passed", "SocketGuard.cs", "held.Listens != (mode == PortGuardMode.PassSocket)", "(!MUTANT && held.Listens != (mode == PortGuardMode.PassSocket))", "GateTests|PassSocket"),
        s_sessions.This("ProgramStart.SocketsOf: one of both protocols", "ProgramStart.cs", "prepared.Lease.Twin is { } twin ?", "!MUTANT && prepared.Lease.Twin is { } twin ?", "PassedSocketTests", "Portmap.Integration.Tests"),
        s_sessions.This("ProgramStart.EnvironmentOf: the daemon's own sockets are told as well", "ProgramStart.cs", "variable.Value is not null && !variable.Key.StartsWith(\"LISTEN_\", StringComparison.Ordinal)", "variable.Value is not null && (MUTANT || !variable.Key.StartsWith(\"LISTEN_\", StringComparison.Ordinal))", "PassedSocketTests", "Portmap.Integration.Tests"),
        s_sessions.This("ProgramStart.Run: a lease that is over is started", "ProgramStart.cs", "if (!lease.IsOpen)", "if (!MUTANT && !lease.IsOpen)", "PassedSocketTests.Release", "Portmap.Integration.Tests"),
    ];

    private static IEnumerable<Mutant> Listeners =>
    [
        s_guarding.This("ListenTable.HasConnections: IPv4 only", "ListenTable.cs", "|| !table.TryReadFile($\"{folder}/tcp6\"", "|| !table.TryReadFile(MUTANT ? $\"{folder}/none\" : $\"{folder}/tcp6\"", "ListenTableTests"),
        s_guarding.This("ListenTable.HasConnections: a list that cannot be read is empty", "ListenTable.cs", "return !table.TryReadFile($\"{folder}/tcp\", PortProtocol.Tcp)", "return (!table.TryReadFile($\"{folder}/tcp\", PortProtocol.Tcp) && !MUTANT)", "ListenTableTests.HasConnections"),
        s_guarding.This("ListenTable.Read: IPv4 only", "ListenTable.cs", "&& table.TryReadFile($\"{folder}/{name}6\"", "&& table.TryReadFile(MUTANT ? $\"{folder}/none\" : $\"{folder}/{name}6\"", "ListenTableTests"),
        s_guarding.This("ListenTable.Read: the line between two buffers is lost", "ListenTable.cs", "kept = rest.Length;", "kept = MUTANT ? 0 : rest.Length;", "ListenTableTests"),
        s_guarding.This("ListenTable.Read: something else over the file is nobody", "ListenTable.cs", "if (isHeader && rest[..end].IndexOf(", "if (!MUTANT && isHeader && rest[..end].IndexOf(", "ListenTableTests"),
        s_guarding.This("ListenerCheck.Refuse: whoever listens is believed", "ListenerCheck.cs", ": table.Listens(port, sockets) ? null", ": MUTANT || table.Listens(port, sockets) ? null", "VerifiedListener"),
        s_guarding.This("ListenerCheck.Refuse: a list that cannot be read means nobody", "ListenerCheck.cs", "return !table.IsComplete ? Unverifiable(said, owner, table.WhyIncomplete!)\n                : process", "return !MUTANT && !table.IsComplete ? Unverifiable(said, owner, table.WhyIncomplete!)\n                : process", "VerifiedListener|TakingProof"),
        s_guarding.This("Sightings.Note: one look less", "Sightings.cs", "if (count >= enough)", "if (count >= (MUTANT ? enough - 1 : enough))", "ReconcilerTests"),
        s_guarding.This("Sightings.Note: who came back is counted on", "Sightings.cs", "_counts = counts;", "_counts = MUTANT && counts.Count == 0 ? _counts : counts;", "ReconcilerTests"),
        s_guarding.This("ListenerSearch.Judge: a stranger is the program", "ListenerSearch.cs", "if (family.Includes(processId, likelyIsEnough: true, ref isShort))", "if (MUTANT || family.Includes(processId, likelyIsEnough: true, ref isShort))", "ProgramListenerTests"),
        s_guarding.This("ListenerSearch.Judge: who could not be looked at is a stranger", "ListenerSearch.cs", "isWhole &= !isShort;", "isWhole &= MUTANT || !isShort;", "ProgramWithoutDescriptors"),
        s_guarding.This("ListenerSearch.FindSibling: who could not be looked at is none of the program", "ListenerSearch.cs", "nobody = isWhole && !isShort ?", "nobody = isWhole && (MUTANT || !isShort) ?", "ProgramWithoutDescriptors"),
        s_guarding.This("ListenerSearch.Judge: whoever is seen is a stranger, though not all were", "ListenerSearch.cs", "if (holders.Count != 0 && isWhole)", "if (holders.Count != 0 && (isWhole || MUTANT))", "ListenerSearchTests"),
        s_sessions.This("ProgramRegistration.IsTimeOver: what the lease was given more does not count", "ProgramRegistration.cs", "&& parts.NowMs >= LeaseTimes.EndsAtMs(parts, new ClaimView(claim));", "&& (MUTANT || parts.NowMs >= LeaseTimes.EndsAtMs(parts, new ClaimView(claim)));", "ProgramListenerTests.RegisterAsync_LeaseIsGiven"),
        s_guarding.This("ForeignHolders.LookUp: the process is not named", "ForeignHolders.cs", "sockets[inode] = port;", "if (!MUTANT) { sockets[inode] = port; }", "ForeignHolderTests"),
        s_guarding.This("ListenersNow.On: the last listener of a port is left out", "ListenersNow.cs", "begins[(port & 255) + 1] - begins[port & 255])", "begins[(port & 255) + 1] - begins[port & 255] - (MUTANT && begins[(port & 255) + 1] - begins[port & 255] > 1 ? 1 : 0))", "ServedAddressesTests|Guarding"),
        s_guarding.This("ListenersNow.BeginsOf: 256 ports and no more", "ListenersNow.cs", "for (int from = 0, next; from < order.Length; from = next)", "for (int from = 0, next; from < order.Length; from = MUTANT ? order.Length : next)", "ServedAddressesTests|Guarding"),
        s_guarding.This("Diagnosis.Overlap: always a note", "Diagnosis.cs", "IsNote = free >=", "IsNote = MUTANT || free >=", "DiagnosisTests"),
        s_guarding.This("ServedFindings.Find: what is left to others is not told", "ServedFindings.cs", "ServedAddresses.LeavesSome(listeners) &&", "!MUTANT && ServedAddresses.LeavesSome(listeners) &&", "ServedAddressesTests"),
        s_guarding.This("ServedFindings.Shared: a second listener is not told", "ServedFindings.cs", "if (listeners.Count < 2 ||", "if (MUTANT || listeners.Count < 2 ||", "GuaranteeTruthTests|StrangerAtTheGate|DiagnosisTests|ServedAddresses"),
    ];

    private static IEnumerable<Mutant> Upkeep =>
    [
        s_upkeep.This("Expiry.Look: a lease never runs out", "Expiry.cs", "now >= LeaseTimes.EndsAtMs(parts, owner.Lease)", "!MUTANT && now >= LeaseTimes.EndsAtMs(parts, owner.Lease)", "PortLeaseTests|ClockTests"),
        s_upkeep.This("Expiry.End: somebody listens, and the port cools", "Expiry.cs", "=> lease.Port != 0 && lease.Guarantee", "=> !MUTANT && lease.Port != 0 && lease.Guarantee", "StrangerTests"),
        s_upkeep.This("Expiry.End: nobody could look, and the port cools", "Expiry.cs", "if (IsUnseen(lease, tcp, udp) ||", "if (!MUTANT && IsUnseen(lease, tcp, udp) ||", "ExpiryWithoutDescriptors"),
        s_upkeep.This("LivenessPass.Run: a pass that hangs stops all others", "LivenessPass.cs", "if ((other != 0 && mine - other < _interval)", "if ((other != 0 && (MUTANT || mine - other < _interval))", "FrozenThreadTests.Maintain", "Portmap.Interleaving.Tests"),
        s_upkeep.This("AddressReview.Look: each look at a shared port is a line", "AddressReview.cs", "parts.Log.FoundShared(claim.Protocol, claim.Port, shared);", "if (MUTANT) { parts.Log.Found(shared); } else { parts.Log.FoundShared(claim.Protocol, claim.Port, shared); }", "GuaranteeTruthTests.Register_AgainAndAgain"),
        s_upkeep.This("Expiry.MarkPassed: who has a passed socket is not looked at", "Expiry.cs", "(_passed ??= []).Add(ended);", "if (!MUTANT) { (_passed ??= []).Add(ended); }", "PassSocketTests"),
        s_upkeep.This("LivenessPass.Run: a failure comes out of the timer", "LivenessPass.cs", "RunNow(now);\n        }\n        catch (Exception exception)", "RunNow(now);\n        }\n        catch (Exception exception) when (!MUTANT)", "LogTests"),
        s_upkeep.This("LivenessPass.Run: a failure is not told", "LivenessPass.cs", "parts.Log.PassFailed(exception);   // a timer must go on\n        }\n        finally", "if (!MUTANT) { parts.Log.PassFailed(exception); }\n        }\n        finally", "LogTests"),
        s_upkeep.This("LivenessPass.LookAtRecovered: a failure is not told", "LivenessPass.cs", "parts.Log.PassFailed(exception);   // a timer must go on\n        }\n    }\n\n    private void RunNow", "if (!MUTANT) { parts.Log.PassFailed(exception); }\n        }\n    }\n\n    private void RunNow", "LogTests"),
        s_upkeep.This("LivenessPass.RunNow: the dead are not looked for", "LivenessPass.cs", "isAnyOver |= !session.CheckAliveEvery(_rest, now);", "isAnyOver |= !MUTANT && !session.CheckAliveEvery(_rest, now);", "LivenessTests|RegistryModel") with
        {
            AliveBecause = "Sessions that are not told of a death are looked at before the owners are, and the others need no pass: a second way.",
        },
        s_upkeep.This("Expiry.End: UDP is not looked at", "Expiry.cs", "ListenTable? udp = tcp is not null &&", "ListenTable? udp = !MUTANT && tcp is not null &&", "ExpiryTests"),
        s_upkeep.This("Expiry.End: who has the other protocol is not seen", "Expiry.cs", "Mark(other, isOtherTaken);", "if (!MUTANT) { Mark(other, isOtherTaken); }", "ExpiryTests"),
        s_upkeep.This("SessionWatch.PassedOn: the store keeps the process before", "SessionWatch.cs", "parts.Journal?.TryQueueAgain(served);", "if (!MUTANT) { parts.Journal?.TryQueueAgain(served); }", "WrittenAgainTests"),
        s_upkeep.This("LivenessPass.RunNow: what was quiet once is quiet for ever", "LivenessPass.cs", "if (hasAnyEnded ||", "if ((!MUTANT && hasAnyEnded) ||", "LivenessTests|DeathWatch") with
        {
            AliveBecause = "The thread that waits for deaths tells the session at the same moment; the pass is a second way.",
        },
        s_upkeep.This("LivenessPass.Walk: whoever is not told of is quiet", "LivenessPass.cs", "!session.Watched.NeedsLook", "(MUTANT || !session.Watched.NeedsLook)", "LivenessTests|DeathWatch|DisconnectTests|OwnerRights") with
        {
            AliveBecause = "Sessions that are not told of are counted, and a pass walks while there is one.",
        },
        s_upkeep.This("LivenessPass.Walk: a session that has nothing is not looked at", "LivenessPass.cs", "parts.Unwatched.AreAnyOver(", "!MUTANT && parts.Unwatched.AreAnyOver(", "LivenessTests"),
        s_sessions.This("UnwatchedSessions.NeedsPasses: the kernel tells, whoever asked it", "UnwatchedSessions.cs", "(!isToldOfDeaths && session.Program", "(!MUTANT && !isToldOfDeaths && session.Program", "LivenessTests"),
        s_upkeep.This("LivenessPass.RunNow: a failing store is not tried again", "LivenessPass.cs", "parts.Journal?.RetryIfFailing();", "if (!MUTANT) { parts.Journal?.RetryIfFailing(); }", "FailingStore|ConfirmedTests|StoreException"),
        s_upkeep.This("LivenessPass.RunNow: kept placeholders stay for ever", "LivenessPass.cs", "parts.Guard.DropKept(now -", "parts.Guard.DropKept(MUTANT ? -1 : now -", "GateTests"),
        s_upkeep.This("LivenessPass.RunNow: what is due is left to the next acquisition", "LivenessPass.cs", "parts.Table.DrainDue(now);", "if (!MUTANT) { parts.Table.DrainDue(now); }", "PortRegistryCooling|PortBindFailure|StrangerTests") with
        {
            AliveBecause = "An acquisition drains what is due before it looks; the pass only takes that work off it.",
        },
        s_upkeep.This("Reconciler.Run: a process that died waits for three looks", "Reconciler.cs", "isAnyOver |= !SessionHolder.Of(claim)!.CheckAlive();", "isAnyOver |= !MUTANT && !SessionHolder.Of(claim)!.CheckAlive();", "ReconcilerTests"),
        s_upkeep.This("Reconciler.Run: its pass is not timed", "Reconciler.cs", "parts.Metrics.EndPass(began, parts.Clock.Provider, \"Reconcile\");", "if (!MUTANT) { parts.Metrics.EndPass(began, parts.Clock.Provider, \"Reconcile\"); }", "PortmapMetrics"),
        s_upkeep.This("Reconciler.Run: a failure comes out of the timer", "Reconciler.cs", "catch (Exception exception)", "catch (Exception exception) when (!MUTANT)", "LogTests"),
        s_upkeep.This("Reconciler.Run: a failure is not told", "Reconciler.cs", "parts.Log.PassFailed(exception);", "if (!MUTANT) { parts.Log.PassFailed(exception); }", "LogTests"),
        s_upkeep.This("Reconciler.EndUnlessGoesOn: a network of its own does not count", "Reconciler.cs", "if (ListenerCheck.MayListenElsewhere(Reported(claim), parts.Listeners) ||", "if ((!MUTANT && ListenerCheck.MayListenElsewhere(Reported(claim), parts.Listeners)) ||", "ReconcilerTests"),
        s_upkeep.This("Reconciler.EndUnlessGoesOn: another one listens there, and it cools", "Reconciler.cs", "parts.Table.TryMarkForeign(claim.Protocol, claim.Port, now);", "if (!MUTANT) { parts.Table.TryMarkForeign(claim.Protocol, claim.Port, now); }", "ReconcilerTests"),
        s_upkeep.This("Settlement: the timer settles nothing", "Settlement.cs", "        finally\n        {\n            NobodyWaits();", "        finally\n        {\n            if (!MUTANT) { NobodyWaits(); }\n            else { _timer?.Dispose(); }", "RecoveryTests|Adoption|PortRegistryUnlessServed|RecoveredLeak"),
    ];

    private static IEnumerable<Mutant> Processes =>
    [
        s_processes.This("ProcessIdentity.IsAlive: a number that was given again is the same process", "ProcessIdentity.cs", "Sight.Alive => StartTime == 0 || start == StartTime,", "Sight.Alive => MUTANT || StartTime == 0 || start == StartTime,", "ProcessIdentity|LivenessTests|RecoveryTests|RebootTests"),
        s_processes.This("ProcessIdentity.Look: what may not be seen is dead", "ProcessIdentity.cs", "return !Posix.IsThere(processId) ?", "return MUTANT || !Posix.IsThere(processId) ?", "ProcessIdentity|LivenessTests"),
        s_processes.This("ProcessStat: a zombie lives", "ProcessStat.cs", "(State != 'Z' || Threads > 1)", "(MUTANT || State != 'Z' || Threads > 1)", "ProcessIdentity|LivenessTests"),
        s_processes.This("DeathWatch.Run: nobody is told", "DeathWatch.cs", "observer.OnProcessExited();", "if (!MUTANT) { observer.OnProcessExited(); }", "DeathWatch"),
        s_processes.This("DeathWatch.ReadBook: nobody is noted", "DeathWatch.cs", "Volatile.Write(ref _notes[place], true);", "Volatile.Write(ref _notes[place], !MUTANT);", "DeathWatch|LivenessTests"),
        s_processes.This("DeathWatch.ReadBook: one answer only", "DeathWatch.cs", "while (count == EventsAtOnce && seen < _places.Length &&", "while (count == EventsAtOnce && seen < (MUTANT ? 1 : _places.Length) &&", "DeathWatch"),
        s_processes.This("WatchedProcess.TryHold: whoever has the number now", "WatchedProcess.cs", "if (identity.IsAlive() && !held.HasExited)", "if ((MUTANT || identity.IsAlive()) && !held.HasExited)", "DeathWatch"),
        s_processes.This("DeathWatch.LeavePlace: one that is free counts as taken", "DeathWatch.cs", "Interlocked.Decrement(ref _taken);", "if (!MUTANT) { Interlocked.Decrement(ref _taken); }", "DeathWatchTests.HasPlace"),
        s_processes.This("DeathWatch.LeavePlace: a place is never free again", "DeathWatch.cs", "if (Interlocked.CompareExchange(ref _places[place], null, seen) == seen)", "if (!MUTANT && Interlocked.CompareExchange(ref _places[place], null, seen) == seen)", "DeathWatch"),
        s_processes.This("WatchedProcess.IsSame: two unknown processes are one", "WatchedProcess.cs", "|| (Identity.IsKnown && Identity.StartTime", "|| ((MUTANT || Identity.IsKnown) && Identity.StartTime", "PortSessionRegister|DisconnectTests|OwnerRightsTests"),
        s_processes.This("WatchedProcess.CanBeSeen: who was opened without a descriptor is never looked at", "WatchedProcess.cs", "_descriptor is not null || IsNumber;", "_descriptor is not null || (!MUTANT && IsNumber);", "SessionWithoutDescriptors"),
        s_processes.This("WatchedProcess.TryHold: who was opened without a descriptor stays a number", "WatchedProcess.cs", "Identity.IsKnown ? Identity :", "Identity.IsKnown || MUTANT ? Identity :", "SessionWithoutDescriptors"),
        s_processes.This("ProcessIdentity.Look: nobody is seen to die without a descriptor", "ProcessIdentity.cs", "Sight.Dead : Sight.Hidden;", "(MUTANT && ProcessStat.IsShort(exception) ? Sight.Hidden : Sight.Dead) : Sight.Hidden;", "SessionWithoutDescriptors"),
        s_sessions.This("SessionHolder.Disconnect: an unknown process is served on", "SessionHolder.cs", "Watched.CanBeSeen ? HolderState.Grace : HolderState.Hidden", "MUTANT || Watched.CanBeSeen ? HolderState.Grace : HolderState.Hidden", "DisconnectTests"),
        s_sessions.This("SessionHolder.Disconnect: what somebody's call found dead keeps its other ports", "SessionHolder.cs", "if (IsOver && Volatile.Read(ref _isLeft) != 0)", "if (!MUTANT && IsOver && Volatile.Read(ref _isLeft) != 0)", "DisconnectTests"),
        s_sessions.This("SessionHolder.NextLook: one look after the grace only", "SessionHolder.cs", "long at = _look < s_looksMs.Length ?", "long at = !MUTANT && _look < s_looksMs.Length ?", "DisconnectTests"),
        s_sessions.This("SessionHolder.TryPassOn: nobody goes on for a program", "SessionHolder.cs", "if (_program is not { } program)", "if (MUTANT || _program is not { } program)", "ProgramListenerTests|ReconcilerTests"),
        s_sessions.This("SessionHolder.CheckAliveToRegister: looked at once for ever", "SessionHolder.cs", "< RegisterLookMs)", "< (MUTANT ? long.MaxValue : RegisterLookMs))", "LivenessTests|PortSessionRegister"),
        s_sessions.This("SessionHolder.OnProcessExited: not looked at", "SessionHolder.cs", "if (_program is null && IsConnected && TryLookAfterLastWords())", "if (MUTANT || (_program is null && IsConnected && TryLookAfterLastWords()))", "LeaseRegisterProcess|DeathWatch|ProgramListener"),
    ];
}
