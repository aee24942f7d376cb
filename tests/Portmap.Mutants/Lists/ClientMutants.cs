namespace Portmap.Mutants.Lists;

/// <summary>Faults in a caller's end of the wire, in what the kernel says of a peer, and in how
/// values cross.</summary>
internal static class ClientMutants
{
    private static readonly ListOf s_rpc = new("src/Portmap.Rpc/", "Portmap.Rpc.Tests");

    public static IEnumerable<Mutant> All => [.. Calling, .. Peers, .. Texts];

    private static IEnumerable<Mutant> Calling =>
    [
        s_rpc.This("Connection.NextDelay: grows without end", "Calling/Connection.cs", ": delay * 2 < s_longestDelay ?", ": MUTANT || delay * 2 < s_longestDelay ?", "ComingBackTests"),
        s_rpc.This("Connection.Spread: from nothing on", "Calling/Connection.cs", "delay * (0.5 + (random", "delay * ((MUTANT ? 0 : 0.5) + (random", "ComingBackTests"),
        s_rpc.This("Connection.Complaint: a socket that is not there is an address", "Calling/Connection.cs", "&& !File.Exists(path) =>", "&& !MUTANT && !File.Exists(path) =>", "UnreachableDaemonTests|PortmapClientTests"),
        s_rpc.This("Connection.IsNoSocket: a file is taken for a socket", "Calling/Connection.cs", "return OperatingSystem.IsLinux() && Posix.Status", "return !MUTANT && OperatingSystem.IsLinux() && Posix.Status", "UnreachableDaemonTests|PortmapClientTests"),
        s_rpc.This("Connection.ConnectAsync: one that does not answer stays open", "Calling/Connection.cs", "                await caller.DisposeAsync().ConfigureAwait(false);\n", "                if (!MUTANT) { await caller.DisposeAsync().ConfigureAwait(false); }\n", "UnreachableDaemonTests.Connect_"),
        s_rpc.This("Connection.Unreachable: a daemon that hangs is to be started", "Calling/Connection.cs", "isLate && (isConnected || isOfThisHost) ?", "!MUTANT && isLate && (isConnected || isOfThisHost) ?", "UnreachableDaemonTests.Connect_"),
        s_rpc.This("Connection.ConnectAsync: connected before it is answered", "Calling/Connection.cs", "await caller.FirstPingAsync(either.Token).ConfigureAwait(false);", "if (!MUTANT) { await caller.FirstPingAsync(either.Token).ConfigureAwait(false); }", "GivenUpSignInTests"),
        s_rpc.This("Connection.Unreachable: one that has no place left is to be started", "Calling/Connection.cs", ": isClosed ? \"It is", ": !MUTANT && isClosed ? \"It is", "UnreachableDaemonTests.Connect_|TcpEndpointTests.Connection_"),
        s_rpc.This("MapCalls.SnapshotAsync: the first page is all", "Calling/MapCalls.cs", "while (next != 0);", "while (!MUTANT && next != 0);", "ListingTests|PortmapClientTests"),
        s_rpc.This("MapCalls.SnapshotAsync: one that was dropped is not begun again", "Calling/MapCalls.cs", "&& begun < MaxListings", "&& !MUTANT && begun < MaxListings", "PortmapClientTests.List_Dropped"),
        s_rpc.This("MapWatch.ReadAsync: always from the same revision", "Calling/MapWatch.cs", "revision = update.Revision;", "revision = MUTANT ? revision : update.Revision;", "PortmapClientWatchTests"),
        s_rpc.This("MapWatch.ReadAsync: goes on over what broke", "Calling/MapWatch.cs", "if (caller is not null && e is IOException)", "if (!MUTANT && caller is not null && e is IOException)", "PortmapClientWatchTests"),
        s_rpc.This("MapWatch.ReadAsync: its connection stays open at the end", "Calling/MapWatch.cs", "            if (caller is not null)\n            {\n                await caller.DisposeAsync().ConfigureAwait(false);", "            if (!MUTANT && caller is not null)\n            {\n                await caller.DisposeAsync().ConfigureAwait(false);", "PortmapClientWatchTests"),
        s_rpc.This("MapWatch.NextAsync: nothing is told as a change", "Calling/MapWatch.cs", "if (!update.Changes.IsEmpty)", "if (MUTANT || !update.Changes.IsEmpty)", "PortmapClientWatchTests"),
        s_rpc.This("MapWatch.NextAsync: a gap is not listed", "Calling/MapWatch.cs", "return snapshots\n", "return snapshots && !MUTANT\n", "PortmapClientWatchTests"),
        s_rpc.This("RpcCaller.CallAsync: a long poll has the time of a call", "Calling/RpcCaller.cs", "_callTimeout + longPoll;", "_callTimeout + (MUTANT ? TimeSpan.Zero : longPoll);", "PortmapClientWatchTests|PortmapClientTests"),
        s_rpc.This("RpcCaller.CallAsync: registered when it has ended", "Calling/RpcCaller.cs", "if (Volatile.Read(ref _end) is { } end)", "if (!MUTANT && Volatile.Read(ref _end) is { } end)", "PortmapClientTests|UnreachableDaemonTests"),
        s_rpc.This("RpcCaller.SendAsync: who takes nothing is waited for", "Calling/RpcCaller.cs", "stuck = limit.Token.UnsafeRegister(", "stuck = (MUTANT ? default : limit.Token).UnsafeRegister(", "PortmapClientTests|UnreachableDaemonTests|StalledClientTests"),
        s_rpc.This("RpcCaller.SendAsync: who gave up waits until it is written", "Calling/RpcCaller.cs", ".WaitAsync(cancellationToken).ConfigureAwait(false) is { } broken", ".WaitAsync(MUTANT ? CancellationToken.None : cancellationToken).ConfigureAwait(false) is { } broken", "UnreachableDaemonTests.Call_CancelledWhile"),
        s_rpc.This("RpcCaller.Accept: an answer that nobody waits for ends all", "Calling/RpcCaller.cs", "out PendingCall? call))\n        {\n            return;", "out PendingCall? call))\n        {\n            if (MUTANT) { throw new InvalidDataException(\"nobody waits\"); }\n            return;", "UnreachableDaemonTests.Call_Cancelled"),
        s_rpc.This("RpcCaller.Accept: a daemon that failed in a call is of another version", "Calling/RpcCaller.cs", "call.Fail(hasFailed\n", "call.Fail(hasFailed && !MUTANT\n", "UnreachableDaemonTests.Listen_"),
        s_rpc.This("RpcCaller.ReadAsync: the last reason counts", "Calling/RpcCaller.cs", "end = Interlocked.CompareExchange(ref _end, end, null) ?? end;", "end = MUTANT ? end : Interlocked.CompareExchange(ref _end, end, null) ?? end;", "UnreachableDaemonTests.Call_"),
        s_rpc.This("PendingCall.Complete: what makes no sense ends the connection", "Calling/PendingCall.cs", "when (e is PortRefusedException or InvalidDataException)", "when (e is PortRefusedException || (!MUTANT && e is InvalidDataException))", "UnreachableDaemonTests.Call_"),
        s_rpc.This("WorkerSettings.Resolve: an epoch alone says nothing", "Working/WorkerSettings.cs", "port != 0 || epoch != 0 ||", "port != 0 || (!MUTANT && epoch != 0) ||", "WorkerSettingsTests"),
        s_rpc.This("WorkerSettings.CheckTime: any time", "Working/WorkerSettings.cs", "if ((value < least || value > most)", "if (!MUTANT && (value < least || value > most)", "WorkerSettingsTests"),
        s_rpc.This("WorkerSettings.ProtocolOf: tcp+udp is one of both", "Working/WorkerSettings.cs", "PortmapVariables.TcpAndUdp => PortProtocol.TcpAndUdp,", "PortmapVariables.TcpAndUdp => MUTANT ? PortProtocol.Tcp : PortProtocol.TcpAndUdp,", "Working"),
        s_rpc.This("Told.Find: what counts for all ports counts for none", "Working/Told.cs", "(isShared ? PortmapEnvironment", "(isShared && !MUTANT ? PortmapEnvironment", "Working"),
        s_rpc.This("Told.Number: one past the last is a number", "Working/Told.cs", "&& value <= bounds.Most ? value", "&& value <= bounds.Most + (MUTANT ? 1 : 0) ? value", "WorkerSettingsTests"),
    ];

    private static IEnumerable<Mutant> Peers =>
    [
        s_rpc.This("Peer.Resolve: any number of wrong claims is looked at", "Peers/Peer.cs", "|| _wrongClaims?.Count >= MaxWrongClaims)", "|| (!MUTANT && _wrongClaims?.Count >= MaxWrongClaims))", "PeerSocketTests|TrustTests|CallerRightsTests|ForkedClientTests"),
        s_rpc.This("Peer.Resolve: a claim is believed", "Peers/Peer.cs", "? Sight!.Holds(claimedProcessId, socket) :", "? MUTANT ? true : Sight!.Holds(claimedProcessId, socket) :", "PeerSocketTests|TrustTests|CallerRightsTests|ForkedClientTests"),
        s_rpc.This("Peer.Look: what could not be looked at is never looked at again", "Peers/Peer.cs", "_isLookedAt = Sight.TryLook(out _socket);", "_isLookedAt = Sight.TryLook(out _socket) || MUTANT;", "TrustTests"),
        s_rpc.This("Peer.IsTrusted: whoever has a name", "Peers/Peer.cs", "UserId is { } user ? Trust.IsOwn(user) : IsUnix;", "UserId is { } user ? MUTANT || Trust.IsOwn(user) : IsUnix;", "UserShareTests|TrustTests"),
        s_rpc.This("PeerSight.Holds: a process that another user passed its socket", "Peers/PeerSight.cs", "|| PosixFile.OfProcess(processId) == socket.UserId ?", "|| MUTANT || PosixFile.OfProcess(processId) == socket.UserId ?", "PeerSocketTests"),
        s_rpc.This("SocketDiagnosis.TryFindTcp: a listener is a peer", "Peers/SocketDiagnosis.cs", "TcpStates.IsConnected(answer[1]) && IsSame(answer.AsSpan(SockDiag.SocketIdAt), answer[0], local, remote)", "(MUTANT || (TcpStates.IsConnected(answer[1]) && IsSame(answer.AsSpan(SockDiag.SocketIdAt), answer[0], local, remote)))", "PeerSocketTests"),
        s_rpc.This("SocketDiagnosis.TryFindTcp: one that nobody has cannot be asked for", "Peers/SocketDiagnosis.cs", "return error == Errno.NoEntry;", "return !MUTANT && error == Errno.NoEntry;", "PeerSocketTests") with
        {
            AliveBecause = "The list of all connections is read then, which says the same and takes longer.",
        },
        s_rpc.This("TcpTable.TryFindIn: one that was closed has a user", "Peers/TcpTable.cs", "out long inode) && inode != 0)", "out long inode) && (MUTANT || inode != 0))", "PeerSocketTests"),
        s_rpc.This("TcpTable.TryFind: one that speaks v4 over v6 is not looked for", "Peers/TcpTable.cs", "out socket) || socket is not null))", "out socket) || socket is not null || MUTANT))", "PeerSocketTests"),
        s_rpc.This("ProcessDescriptors.Has: a part of the number is enough", "Peers/ProcessDescriptors.cs", ".Contains(wanted);", ".Any(link => MUTANT ? link.StartsWith(Prefix, StringComparison.Ordinal) : link == wanted);", "PeerSocketTests"),
    ];

    private static IEnumerable<Mutant> Texts =>
    [
        s_rpc.This("RefusalText.Cut: the remedy is cut off", "Protocol/RefusalText.cs", "bytes = 0; tail > head;)", "bytes = 0; !MUTANT && tail > head;)", "PortmapXdrTests"),
        s_rpc.This("RefusalText.Cut: one byte too long", "Protocol/RefusalText.cs", "(maxBytes - Encoding.UTF8.GetByteCount(Gap)) / 2;", "((maxBytes - Encoding.UTF8.GetByteCount(Gap)) / 2) + (MUTANT ? 1 : 0);", "PortmapXdrTests"),
        s_rpc.This("RefusalText.Name: however long", "Protocol/RefusalText.cs", "|| bytes > left / 2)", "|| (!MUTANT && bytes > left / 2))", "PortmapXdrTests"),
        s_rpc.This("CallHeader.SkipAuth: the longest credential is too long", "Protocol/CallHeader.cs", "if (length > RpcMessage.MaxAuthBytes)", "if (length > RpcMessage.MaxAuthBytes - (MUTANT ? 1 : 0))", "ConnectionTests|CorpusTests|CodecFuzz"),
        s_rpc.This("CallHeader.Read: a verifier that is too long is a credential", "Protocol/CallHeader.cs", "SkipAuth(ref reader, CallStatus.BadVerifier)", "SkipAuth(ref reader, MUTANT ? CallStatus.BadCredential : CallStatus.BadVerifier)", "ConnectionTests|CorpusTests"),
        s_rpc.This("BindErrno.Read: what is not said is refused access", "Protocol/BindErrno.cs", "return SocketError.AddressAlreadyInUse;", "return MUTANT ? SocketError.AccessDenied : SocketError.AddressAlreadyInUse;", "BindFailedTests|BindErrorTests"),
        s_rpc.This("PortmapXdr.Milliseconds: less than one is none", "Protocol/PortmapXdr.cs", "Math.Clamp(time.TotalMilliseconds, 1, uint.MaxValue)", "Math.Clamp(time.TotalMilliseconds, MUTANT ? 0 : 1, uint.MaxValue)", "PortmapXdrTests"),
        s_rpc.This("PortmapXdr.ReadTime: after the last year", "Protocol/PortmapXdr.cs", "&& ticks <= DateTimeOffset.MaxValue.Ticks", "&& (MUTANT || ticks <= DateTimeOffset.MaxValue.Ticks)", "PortmapXdrTests|CodecFuzz"),
        s_rpc.This("PortmapXdr.ReadLeases: which of several was refused is lost", "Protocol/PortmapXdr.cs", "request < 0 ? null : request", "MUTANT || request < 0 ? null : request", "AcquireAllTests"),
        s_rpc.This("PortmapEndpoint.TryParse: an address that was cut short", "PortmapEndpoint.cs", "(!bracketed && host.AsSpan().Count('.') != 3)", "(!MUTANT && !bracketed && host.AsSpan().Count('.') != 3)", "PortmapEndpointTests"),
        s_rpc.This("PortmapEndpoint.PathComplaint: one byte more than the kernel takes", "PortmapEndpoint.cs", "bytes > SocketPath.MaxBytes ?", "bytes > SocketPath.MaxBytes + (MUTANT ? 1 : 0) ?", "PortmapEndpointTests"),
        s_rpc.This("OwnerText.Complaint: one byte more is sent", "Protocol/OwnerText.cs", "bytes <= MaxSentBytes ? null", "bytes <= MaxSentBytes + (MUTANT ? 1 : 0) ? null", "OwnerTextTests"),
    ];
}
