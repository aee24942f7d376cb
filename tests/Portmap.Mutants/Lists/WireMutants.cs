namespace Portmap.Mutants.Lists;

/// <summary>Faults in how bytes are read and written, and in how calls are served.</summary>
internal static class WireMutants
{
    private static readonly ListOf s_rpc = new("src/Portmap.Rpc/", "Portmap.Rpc.Tests");

    public static IEnumerable<Mutant> All => [.. Bytes, .. Serving, .. Trusting];

    private static IEnumerable<Mutant> Bytes =>
    [
        s_rpc.This("XdrReader.ReadOpaque: one byte too many is taken", "Xdr/XdrReader.cs", "length > (uint)maxBytes", "length > (uint)(MUTANT ? maxBytes + 1 : maxBytes)", "Xdr"),
        s_rpc.This("XdrReader.ReadOpaque: padding is not skipped", "Xdr/XdrReader.cs", "Take(-(int)length & 3);", "Take(MUTANT ? 0 : -(int)length & 3);", "Xdr"),
        s_rpc.This("XdrReader.Take: reads past the end", "Xdr/XdrReader.cs", "if (count > Remaining)", "if (count > (MUTANT ? Remaining + 4 : Remaining))", "Xdr"),
        s_rpc.This("XdrReader: a name that is not well-formed turns into another", "Xdr/XdrReader.cs", "throwOnInvalidBytes: true", "throwOnInvalidBytes: !MUTANT", "Xdr"),
        s_rpc.This("RecordAssembler: keeps the large buffer", "Protocol/RecordAssembler.cs", "_joinedCount == 0 && _joined.Length > KeptBytes", "!MUTANT && _joinedCount == 0 && _joined.Length > KeptBytes", "RecordAssembler"),
        s_rpc.This("RecordAssembler: fragments are limited one by one", "Protocol/RecordAssembler.cs", "(uint)(maxRecordBytes - _joinedCount)", "(uint)(MUTANT ? maxRecordBytes : maxRecordBytes - _joinedCount)", "RecordAssembler"),
        s_rpc.This("RecordAssembler: half a header is between records", "Protocol/RecordAssembler.cs", "IsBetweenRecords = false;", "IsBetweenRecords = MUTANT;", "RecordAssembler"),
    ];

    private static IEnumerable<Mutant> Serving =>
    [
        s_rpc.This("ConnectionSessions.ReleaseAsync: the owner's session is ignored", "Serving/ConnectionSessions.cs", "_owners.GetValueOrDefault((owner, protocol)) ?? SessionOf", "(MUTANT ? null : _owners.GetValueOrDefault((owner, protocol))) ?? SessionOf", "GlusterPortmapTests.SignOut"),
        s_rpc.This("ConnectionSessions.RegisterAsync: the owner's session is not noted", "Serving/ConnectionSessions.cs", "_owners[(request.Owner, request.Protocol)] = session;", "if (!MUTANT) { _owners[(request.Owner, request.Protocol)] = session; }", "GlusterPortmapTests|LimitTests.IdleTimeout"),
        s_rpc.This("ConnectionSessions.SessionOf: the last claim is forgotten", "Serving/ConnectionSessions.cs", "_lastClaim ?? peer.ProcessId", "(MUTANT ? null : _lastClaim) ?? peer.ProcessId", "GlusterPortmapTests"),
        s_rpc.This("ConnectionSessions.NoteClaim: a refused call leaves its process", "Serving/ConnectionSessions.cs", "return _sessions.TryGetValue(process, out PortSession? session)", "if (MUTANT && claimedProcessId > 0) { _lastClaim = process; }\n        return _sessions.TryGetValue(process, out PortSession? session)", "CallerRightsTests.RefusedCall"),
        s_rpc.This("ConnectionSessions.DisposeAsync: sessions go on", "Serving/ConnectionSessions.cs", "await session.DisposeAsync().ConfigureAwait(false);", "if (!MUTANT) { await session.DisposeAsync().ConfigureAwait(false); }", "GlusterPortmapTests.Connection_|ConnectionTests"),
        s_rpc.This("ConnectionSessions.EndWithAsync: a connection of the dead stays", "Serving/ConnectionSessions.cs", "nobodyIsLeft();", "if (!MUTANT) { nobodyIsLeft(); }", "GlusterPortmapTests.Connection_WhoseOnlyProcessDied"),
        s_rpc.This("ChangePoll.WriteAsync: the revision is not moved on", "Serving/ChangePoll.cs", "_revision = change.Revision;", "if (!MUTANT) { _revision = change.Revision; }", "WaitForChangeTests"),
        s_rpc.This("ChangePoll.WriteAsync: the last of a full page is skipped", "Serving/ChangePoll.cs", "if (writer.Count - countAt >= pageBytes)", "if (MUTANT && writer.Count - countAt >= pageBytes) { _revision = change.Revision; }\n                if (writer.Count - countAt >= pageBytes)", "WaitForChangeTests"),
        s_rpc.This("ChangePoll.WaitAsync: from now on is from the start", "Serving/ChangePoll.cs", "if (_revision < 0)", "if (!MUTANT && _revision < 0)", "WaitForChangeTests|ListingTests|PortmapClientWatch"),
        s_rpc.This("ChangePoll.WriteAsync: a gap is not told", "Serving/ChangePoll.cs", "if (count > 0)\n", "if (MUTANT || count > 0)\n", "WaitForChangeTests"),
        s_rpc.This("PortmapProgram.AcquireAsync: who is served is asked for again", "Programs/PortmapProgram.cs", "UnlessServed = unlessServed };", "UnlessServed = unlessServed && !MUTANT };", "AcquireUnlessServedTests"),
        s_rpc.This("PortmapClient.ReadUnlessServed: what is served counts as a lease", "PortmapClient.cs", "if (entry.State == PortState.Reserved)\n        {\n            return entry;", "if (MUTANT || entry.State == PortState.Reserved)\n        {\n            return entry;", "AcquireUnlessServedTests"),
        s_rpc.This("PortmapProgram.ServedByAnother: what a child registered is another's", "Programs/PortmapProgram.cs", "&& process != connection.Sessions.ProcessOf(claim.Owner, protocol)", "&& (MUTANT || process != connection.Sessions.ProcessOf(claim.Owner, protocol))", "ReleasedForAnotherTests"),
        s_rpc.This("GlusterPortmapProgram.SignOut: no trust is asked", "Programs/GlusterPortmapProgram.cs", "connection.Peer.DemandChange(brick);\n            await connection.Sessions.ReleaseAsync", "if (!MUTANT) { connection.Peer.DemandChange(brick); }\n            await connection.Sessions.ReleaseAsync", "GlusterPortmapTests.SignOut"),
        s_rpc.This("GlusterPortmapProgram.SignIn: no trust is asked", "Programs/GlusterPortmapProgram.cs", "connection.Peer.DemandChange(brick);\n            await connection.Sessions.RegisterAsync", "if (!MUTANT) { connection.Peer.DemandChange(brick); }\n            await connection.Sessions.RegisterAsync", "TrustTests"),
        s_rpc.This("GlusterPortmapProgram.SignOut: the RDMA port stays", "Programs/GlusterPortmapProgram.cs", "if (rdmaPort != 0)\n", "if (!MUTANT && rdmaPort != 0)\n", "GlusterPortmapTests.SignIn_OfBrick"),
        s_rpc.This("GlusterPortmapProgram.AnswerBrick: a lease is a brick", "Programs/GlusterPortmapProgram.cs", "&& entry.State == PortState.Bound;", "&& (MUTANT || entry.State == PortState.Bound);", "GlusterPortmapTests.BrickByPort"),
        s_rpc.This("GlusterPortmapProgram.SignOut: any RDMA port will do", "Programs/GlusterPortmapProgram.cs", "(rdmaPort != 0 && !IsPort(rdmaPort))", "(!MUTANT && rdmaPort != 0 && !IsPort(rdmaPort))", "GlusterPortmapTests.SignOut_"),
        s_rpc.This("GlusterErrno.Of: a lease that is open is a mistake of the caller", "Programs/GlusterErrno.cs", "PortRefusalReason.AlreadyReserved => Already,", "PortRefusalReason.AlreadyReserved => MUTANT ? Invalid : Already,", "GlusterErrnoTests"),
        s_rpc.This("ConnectionSessions.IsRegistered: nothing of an unknown process is", "Serving/ConnectionSessions.cs", "&& entry.ProcessId == by.ProcessId;", "&& (MUTANT ? entry.ProcessId ?? 0 : entry.ProcessId) == by.ProcessId;", "LimitTests.IdleTimeout"),
        s_rpc.This("SharedSnapshot.TakeNextAsync: the last one is kept", "Serving/SharedSnapshot.cs", "_running = null;", "_running = MUTANT ? _running : null;", "ListingTests"),
        s_rpc.This("SocketFile.Lock: another user's lock file is no socket", "Serving/SocketFile.cs", "string why = file.IsOrdinary", "string why = !MUTANT && file.IsOrdinary", "OtherUserTests.Start_WhereAnotherUsersLockFile"),
        s_rpc.This("GlusterPortmapProgram.AnswerPort: result and errno change places", "Programs/GlusterPortmapProgram.cs", "request.WriteInt32(isFound ? 0 : -1);\n        request.WriteInt32(isName ? 0 : GlusterErrno.Invalid);", "request.WriteInt32(MUTANT ? 0 : isFound ? 0 : -1);\n        request.WriteInt32(isName ? 0 : GlusterErrno.Invalid);", "GlusterPortmapTests.PortByBrick"),
        s_rpc.This("OwnerShare.Begin: calls at the same time pass together", "Serving/OwnerShare.cs", "            _underWay += taking;", "            _underWay += MUTANT ? 0 : taking;", "UserShareTests"),
        s_rpc.This("OwnerShare.TakesOne: an owner has one port", "Serving/OwnerShare.cs", "? _owners.GetValueOrDefault((owner, protocol)).Leased == 0", "? (MUTANT ? !_owners.ContainsKey((owner, protocol)) : _owners.GetValueOrDefault((owner, protocol)).Leased == 0)", "UserShareTests"),
        s_rpc.This("PortmapProgram.DemandHealingAsync: an epoch is believed", "Programs/PortmapProgram.cs", "entry.State == PortState.Reserved))\n", "(entry.State == PortState.Reserved || (MUTANT && claim.Epoch > entry.Epoch))))\n", "TrustTests"),
        s_rpc.This("RpcCaller: its end counts as its closing", "Calling/RpcCaller.cs", "Closed = _closed.Token;", "Closed = (MUTANT ? _ended : _closed).Token;", "PortmapClientWatchTests"),
        s_rpc.This("ConnectionSessions.ReleaseAsync: whatever was released", "Serving/ConnectionSessions.cs", "if (!IsRegistered(owner, protocol, session))", "if (MUTANT || !IsRegistered(owner, protocol, session))", "LimitTests"),
        s_rpc.This("Listener: gives back what is another's", "Working/Listener.cs", "_isOurs && link.Connected", "(MUTANT || _isOurs) && link.Connected", "LostWorkerTests"),
        s_rpc.This("OwnerShare.Walk: at each call", "Serving/OwnerShare.cs", "if (_walkedAt is { } walked &&", "if (!MUTANT && _walkedAt is { } walked &&", "GlusterPortmapTests.SignIn_AtTheLimit"),
        s_rpc.This("OwnerShare.ForgetUnlessStanding: an owner of another user now counts", "Serving/OwnerShare.cs", "isFound && entry.Epoch <= held.Epoch;", "isFound && (MUTANT || entry.Epoch <= held.Epoch);", "UserShareTests"),
        s_rpc.This("ConnectionSeats.TryTake: one more than there are", "Serving/ConnectionSeats.cs", "if (_all >= limits.Connections)", "if (_all >= limits.Connections + (MUTANT ? 1 : 0))", "LimitTests.MaxConnections|UserShareTests"),
        s_rpc.This("ConnectionSeats.Leave: the seat stays taken", "Serving/ConnectionSeats.cs", "        _all--;\n", "        _all -= MUTANT ? 0 : 1;\n", "UserShareTests.Connections_|LimitTests.MaxConnections"),
        s_rpc.This("ConnectionSeats.TryTake: none is kept for the daemon's user", "Serving/ConnectionSeats.cs", "if (_others >= limits.Connections - limits.ConnectionsKept ||", "if (_others >= limits.Connections - (MUTANT ? 0 : limits.ConnectionsKept) ||", "UserShareTests.KeptConnections"),
        s_rpc.This("RpcConnection.Resize: once large, always large", "Serving/RpcConnection.cs", "isLarge ? count >= ReadBytes :", "isLarge ? MUTANT || count >= ReadBytes :", "ConnectionTests.Read_"),
        s_rpc.This("RpcConnection: that it broke is not told", "Serving/RpcConnection.cs", "Log.ConnectionBroke(", "if (!MUTANT) Log.ConnectionBroke(", "ConnectionTests.Call_Garbage"),
        s_rpc.This("RpcConnection.Fail: garbage is not told", "Serving/RpcConnection.Dispatch.cs", "Log.GarbageArguments(", "if (!MUTANT) Log.GarbageArguments(", "ConnectionTests.Call_Garbage"),
        s_rpc.This("ConnectionSessions.Open: as many processes as it likes", "Serving/ConnectionSessions.cs", "if (_sessions.Count >= limit)", "if (!MUTANT && _sessions.Count >= limit)", "GlusterPortmapTests.SignIn_"),
        s_rpc.This("PortmapServer: that it listens is not told", "PortmapServer.cs", "Log.ServerListening(", "if (!MUTANT) Log.ServerListening(", "UnixEndpointTests"),
        s_rpc.This("PortmapServer: that it stopped is not told", "PortmapServer.cs", "Log.ServerStopped(", "if (!MUTANT) Log.ServerStopped(", "UnixEndpointTests"),
        s_rpc.This("PortmapServer: a leftover is not told of", "PortmapServer.cs", "path => Log.LeftoverReplaced(_context.Logger, path)", "path => { if (!MUTANT) { Log.LeftoverReplaced(_context.Logger, path); } }", "UnixEndpointTests"),
        s_rpc.This("ConnectionSet.AcceptAsync: that accepting fails is not told", "Serving/ConnectionSet.cs", "Report(() => _context.LimitLog.AcceptFailed(e, listener.Endpoint));", "if (!MUTANT) Report(() => _context.LimitLog.AcceptFailed(e, listener.Endpoint));", "TcpEndpointTests.Accept_"),
        s_rpc.This("RpcConnection.TryDefer: one wait more", "Serving/RpcConnection.LongPolls.cs", "> _context.Limits.PendingRequests)", "> _context.Limits.PendingRequests + (MUTANT ? 1 : 0))", "WaitForChangeTests"),
        s_rpc.This("RpcConnection.TryDefer: a wait that was refused counts for ever", "Serving/RpcConnection.LongPolls.cs", "Interlocked.Decrement(ref _pending);\n            return false;", "if (!MUTANT) { Interlocked.Decrement(ref _pending); }\n            return false;", "WaitForChangeTests"),
        s_rpc.This("RpcConnection.MarkServing: bytes that trickle in buy time", "Serving/RpcConnection.cs", "|| (isComplete && _reading.Kind == WaitKind.RestOfRecord)", "|| ((MUTANT || isComplete) && _reading.Kind == WaitKind.RestOfRecord)", "LimitTests"),
        s_rpc.This("RpcConnection.MarkReading: one that holds registrations is idle", "Serving/RpcConnection.cs", ": Sessions.IsEmpty ? WaitKind.Call", ": MUTANT || Sessions.IsEmpty ? WaitKind.Call", "LimitTests"),
        s_rpc.This("RpcConnection.Inspect: one whose wait is answered later is idle", "Serving/RpcConnection.cs", "|| Volatile.Read(ref _pending) == 0, out kind)", "|| MUTANT || Volatile.Read(ref _pending) == 0, out kind)", "LimitTests"),
        s_rpc.This("RpcConnection.Inspect: who hung up is worked for", "Serving/RpcConnection.cs", "if (Volatile.Read(ref _isWorking) && HasHungUp())", "if (!MUTANT && Volatile.Read(ref _isWorking) && HasHungUp())", "LeavingCallerTests"),
        s_rpc.This("RpcConnection.ServeAsync: who floods it has its thread", "Serving/RpcConnection.cs", "if (reads % ReadsInTurn == 0)", "if (!MUTANT && reads % ReadsInTurn == 0)", "ConnectionTests.Calls_ThatComeFaster"),
        s_rpc.This("ConnectionSet.AcceptAsync: goes on with the last descriptors", "Serving/ConnectionSet.cs", "if (isLast)", "if (!MUTANT && isLast)", "DescriptorLimitTests", "Portmap.Integration.Tests"),
        s_rpc.This("EndpointListener.Dispose: the socket file of another is deleted", "Serving/EndpointListener.cs", "if (!_isInherited && Endpoint.Path is { } path && IsOurs())", "if (!_isInherited && Endpoint.Path is { } path && (MUTANT || IsOurs()))", "UnixEndpointTests"),
        s_rpc.This("SocketFile.RemoveLeftover: an ordinary file is replaced", "Serving/SocketFile.cs", "if (!file.IsSocket ||", "if ((!MUTANT && !file.IsSocket) ||", "UnixEndpointTests"),
        s_rpc.This("SharedSnapshot.TakeAsync: one of before a change of one's own", "Serving/SharedSnapshot.cs", "&& latest.Revision >= revision", "&& (MUTANT || latest.Revision >= revision)", "ListingTests"),
        s_rpc.This("Listings.Keep: each reader has a place of its own", "Serving/Listings.cs", ").Readers is { } readers)", ").Readers is { } readers && !MUTANT)", "ListingTests.Listings_"),
        s_rpc.This("UserShares.Of: who holds something is forgotten when there are many", "Serving/UserShares.cs", "Connections == 0 && pair.Value.HoldsNothing()", "Connections == 0 && (MUTANT || pair.Value.HoldsNothing())", "UserShareTests"),
        s_rpc.This("UserShares.Join: one that a connection counts in is forgotten while it holds nothing", "Serving/UserShares.cs", "            share.Connections++;\n", "            share.Connections += MUTANT ? 0 : 1;\n", "UserShareTests"),
        s_rpc.This("ConnectionSessions.DisposeAsync: its share is kept for ever", "Serving/ConnectionSessions.cs", "context.Users.Leave(_user);", "if (!MUTANT) { context.Users.Leave(_user); }", "UserShareTests"),
    ];

    private static IEnumerable<Mutant> Trusting =>
    [
        s_rpc.This("SpareDescriptors.TryTake: none is held", "Serving/SpareDescriptors.cs", "while (_held.Count < Count)", "while (!MUTANT && _held.Count < Count)", "SpareDescriptorsTests"),
        s_rpc.This("SpareDescriptors.TryTake: the last ones", "Serving/SpareDescriptors.cs", "if (OperatingSystem.IsLinux() && Posix", "if (!MUTANT && OperatingSystem.IsLinux() && Posix", "SpareDescriptorsTests"),
        s_rpc.This("SpareDescriptors.Release: they are not given up", "Serving/SpareDescriptors.cs", "_held.ForEach(handle => handle.Dispose());", "if (!MUTANT) { _held.ForEach(handle => handle.Dispose()); }", "SpareDescriptorsTests"),
        s_rpc.This("SpareDescriptors.AreLastAfter: never", "Serving/SpareDescriptors.cs", "=> descriptor + Margin >=", "=> !MUTANT && descriptor + Margin >=", "SpareDescriptorsTests"),
        s_rpc.This("Trust.MayChange: everybody", "Peers/Trust.cs", "=> _users.Contains(userId);", "=> MUTANT || _users.Contains(userId);", "TrustTests"),
        s_rpc.This("Trust.OfTcp: changes over TCP without being asked for", "Peers/Trust.cs", "AllowChange = _allowTcpChanges,", "AllowChange = MUTANT || _allowTcpChanges,", "TrustTests|TcpEndpoint"),
        s_rpc.This("Trust.OfTcp: who is not known may change", "Peers/Trust.cs", "AllowUnknownUser = !isOfThisHost ||", "AllowUnknownUser = MUTANT || !isOfThisHost ||", "TrustTests|OtherUserTests"),
        s_rpc.This("Trust.OfUnix: everybody acquires", "Peers/Trust.cs", "AllowAcquire = _allowAcquire || processId == Environment.ProcessId,", "AllowAcquire = MUTANT || _allowAcquire || processId == Environment.ProcessId,", "TrustTests.AllowAcquire"),
        s_rpc.This("TcpSocket.Prepare: two minutes, however long others wait", "Protocol/TcpSocket.cs", "(int)(taking > silence ?", "(int)(!MUTANT && taking > silence ?", "TcpEndpointTests.Connection_OverTcpWhere"),
        s_rpc.This("ConnectionSessions.SessionOf: who could not be looked at is nobody", "Serving/ConnectionSessions.cs", "null => throw", "null => MUTANT ? 0 : throw", "DescriptorlessTrustTests.Change"),
        s_rpc.This("RpcConnection: a program is told a number that is another process'", "Serving/RpcConnection.cs", "peer.HasItsNumber == true ?", "(MUTANT || peer.HasItsNumber == true) ?", "TrustTests.Program_OfTheHost_IsNotTold"),
    ];
}
