namespace Portmap.Mutants.Lists;

/// <summary>Faults in a worker: how it listens, signs in, heals and comes back.</summary>
internal static class WorkerMutants
{
    private static readonly ListOf s_worker = new("src/Portmap.Rpc/", "Portmap.Rpc.Tests");

    public static IEnumerable<Mutant> All =>
    [
        s_worker.This("SignIn.SignInAgainAsync: the new epoch is not kept", "Working/SignIn.cs", "Volatile.Write(ref _epochs, epochs);", "if (!MUTANT) { Volatile.Write(ref _epochs, epochs); }", "WorkerPortTests.Worker_SignedInAgain"),
        s_worker.This("SignIn.SignInAgainAsync: gives up on Conflict", "Working/SignIn.cs", "if (e.Refusal.Reason == PortRefusalReason.Stale)", "if (MUTANT || e.Refusal.Reason == PortRefusalReason.Stale)", "WorkerPortTests.Worker_WhoseOwner"),
        s_worker.This("SignIn.SignInAgainAsync: a stale one tries for ever", "Working/SignIn.cs", "Lose(e.Refusal);\n                    return false;", "if (!MUTANT) { Lose(e.Refusal);\n                    return false; }", "WorkerPortTests.Worker_WhoseOwnerWasAcquiredAgain|LostWorkerTests"),
        s_worker.This("SignIn.RegisterAsync: the first half is not rolled back", "Working/SignIn.cs", "await client.ReleaseAsync(Claim(owner, port, epochs[0], protocols[0]), cancellationToken).ConfigureAwait(false);", "if (!MUTANT) { await client.ReleaseAsync(Claim(owner, port, epochs[0], protocols[0]), cancellationToken).ConfigureAwait(false); }", "WorkerPortTests.Worker_WhoseSecondHalf"),
        s_worker.This("SignIn.RegisterAsync: an epoch that is over stays refused", "Working/SignIn.cs", "when (epoch != 0 && e.Refusal is", "when (!MUTANT && epoch != 0 && e.Refusal is", "LostWorkerTests.Listen_WithAnEpoch"),
        s_worker.This("SignIn.DisposeAsync: does not sign out", "Working/SignIn.cs", "isSignedOut = await SignOutAsync()", "isSignedOut = !MUTANT && await SignOutAsync()", "WorkerPortTests.Listen_WithALease"),
        s_worker.This("SignIn.SignOutAsync: the UDP half stays", "Working/SignIn.cs", "for (int i = 0; i < _protocols.Length; i++)\n        {\n            try\n            {\n                await _client.ReleaseAsync", "for (int i = 0; i < (MUTANT ? 1 : _protocols.Length); i++)\n        {\n            try\n            {\n                await _client.ReleaseAsync", "WorkerPortTests.Listen_WithALease"),
        s_worker.This("SignIn.IsStillOursAsync: what it lost is not seen", "Working/SignIn.cs", "bound.Epoch != _epochs[i])", "(!MUTANT && bound.Epoch != _epochs[i]))", "LostWorkerTests.WhenLost"),
        s_worker.This("SignIn.SignInAgainAsync: all come back at the same moment", "Working/SignIn.cs", "Connection.Spread(delay, _jitter)", "(MUTANT ? delay : Connection.Spread(delay, _jitter))", "ComingBackTests"),
        s_worker.This("Listener.IsAboutPort: a Conflict on the port is not healed", "Working/Listener.cs", "PortRefusalReason.Conflict => refusal.Holder is not null &&", "PortRefusalReason.Conflict => !MUTANT && refusal.Holder is not null &&", "WorkerPortTests.Listen_OnAPortThatIsAnotherOwners"),
        s_worker.This("Listener.HealAsync: one attempt more", "Working/Listener.cs", "_tried.Count < settings.BindAttempts ? null", "_tried.Count < settings.BindAttempts + (MUTANT ? 1 : 0) ? null", "WorkerPortTests.Listen_BindAttempts"),
        s_worker.This("Listener.ListenAsync: a port that was asked for is not given back", "Working/Listener.cs", "await GiveBackAsync(cancellationToken).ConfigureAwait(false);", "if (!MUTANT) { await GiveBackAsync(cancellationToken).ConfigureAwait(false); }", "LostWorkerTests.Listen_ToldNothing"),
        s_worker.This("Listener.AskForPortAsync: an open lease is not found", "Working/Listener.cs", "return entry is { State: PortState.Reserved, Port: > 0 } ? entry : null;", "return !MUTANT && entry is { State: PortState.Reserved, Port: > 0 } ? entry : null;", "LostWorkerTests.Listen_ToldNothing"),
        s_worker.This("ListeningSockets.Make: one family only", "Working/ListeningSockets.cs", "socket.DualMode = true;", "socket.DualMode = !MUTANT;", "WorkerPortTests.Listen_OnAllAddresses"),
        s_worker.This("ListeningSockets.TryOpen: TCP stays when UDP is busy", "Working/ListeningSockets.cs", "            tcp?.Dispose();\n", "            if (!MUTANT) { tcp?.Dispose(); }\n", "WorkerPortTests.Listen_OnBothProtocolsWhereUdpIsBusy|WorkerPortTests.TryOpen"),
        s_worker.This("ListeningSockets.OpenTcp: leftovers of connections keep it out", "Working/ListeningSockets.cs", "when (isInsisted && e.SocketErrorCode", "when (!MUTANT && isInsisted && e.SocketErrorCode", "WorkerPortTests"),
        s_worker.This("ListeningSockets.OpenTcp: anybody joins between bind and listen", "Working/ListeningSockets.cs", "if (isLinux && mayJoin)", "if (isLinux && (MUTANT || mayJoin))", "WorkerPortTests.TryPick"),
        s_worker.This("WorkerPort.DisposeAsync: closes before it signs out", "WorkerPort.cs", "await _signIn.DisposeAsync().ConfigureAwait(false);", "if (MUTANT) { _sockets?.Dispose(); }\n        await _signIn.DisposeAsync().ConfigureAwait(false);", "WorkerPortTests.Dispose_DaemonThatTakesItsTime"),
        s_worker.This("WorkerPort.SignInAsync: a socket that does not listen", "WorkerPort.cs", "|| !IsOpenToClients(listening))", "|| (!MUTANT && !IsOpenToClients(listening)))", "WorkerPortTests.SignIn_OfASocketThatDoesNotListen"),
        s_worker.This("PortPicker.TryAll: the last port of the range is never tried", "Working/PortPicker.cs", "(start + i) % count);", "(start + i) % (MUTANT && count > 1 ? count - 1 : count));", "WorkerPortTests.TryPick"),
        s_worker.This("PortPicker.IsExcluded: nothing is", "Working/PortPicker.cs", "            if (range.Contains(port))", "            if (!MUTANT && range.Contains(port))", "WorkerPortTests.Listen_ManyTimes"),
        s_worker.This("KeptConnection.TakeAsync: whatever daemon it leads to", "Working/KeptConnection.cs", "|| !kept.Suits(settings) ||", "|| (!MUTANT && !kept.Suits(settings)) ||", "KeptConnectionTests"),
        s_worker.This("KeptConnection.KeepOrCloseAsync: the one before stays open", "Working/KeptConnection.cs", "await other._client.DisposeAsync().ConfigureAwait(false);", "if (!MUTANT) { await other._client.DisposeAsync().ConfigureAwait(false); }", "KeptConnectionTests"),
        s_worker.This("KeptConnection.KeepOrCloseAsync: for ever", "Working/KeptConnection.cs", "kept, settings.KeepConnection, Timeout", "kept, MUTANT ? Timeout.InfiniteTimeSpan : settings.KeepConnection, Timeout", "KeptConnectionTests"),
        s_worker.This("KeptConnection.Suits: one that waits another time", "Working/KeptConnection.cs", "&& settings.CallTimeout == _settings.CallTimeout", "&& (MUTANT || settings.CallTimeout == _settings.CallTimeout)", "KeptConnectionTests"),
        s_worker.This("WorkerPort.SignInAsync: a UDP socket is a TCP one", "WorkerPort.cs", "Protocol = listening.SocketType == SocketType.Dgram ?", "Protocol = !MUTANT && listening.SocketType == SocketType.Dgram ?", "WorkerPortTests.SignIn_OfA"),
        s_worker.This("Listener.HealAsync: the last lease is not given back", "Working/Listener.cs", "_asked = _asked is null ? null : next.Epoch;", "_asked = _asked is null || MUTANT ? _asked : next.Epoch;", "LostWorkerTests.Listen_AllPorts"),
        s_worker.This("Listener.HealAsync: that it was healed is not told", "Working/Listener.cs", "Log.BindHealed(", "if (!MUTANT) Log.BindHealed(", "WorkerPortTests.Listen_OnAPortThatAStranger"),
        s_worker.This("Listener: the ports that were tried are not listed", "Working/Listener.cs", "private string Tried() => string.Join(\", \", _tried", "private string Tried() => string.Join(\", \", _tried.Take(MUTANT ? 1 : int.MaxValue)", "LostWorkerTests.Listen_AllPorts"),
        s_worker.This("SignIn.Lose: it is not told", "Working/SignIn.cs", "Log.Lost(", "if (!MUTANT) Log.Lost(", "LostWorkerTests"),
        s_worker.This("SignIn.IsStillOursAsync: what could not be asked is not told", "Working/SignIn.cs", "Log.CheckFailed(", "if (!MUTANT) Log.CheckFailed(", "UnreachableDaemonTests.Worker_"),
        s_worker.This("SignIn.SignOutAsync: that it failed is not told", "Working/SignIn.cs", "Log.SignOutFailed(", "if (!MUTANT) Log.SignOutFailed(", "WorkerPortTests.Worker_WhoseDaemonStaysAway"),
        s_worker.This("DaemonLink.CallAsync: a kept connection that broke was the only attempt", "Working/DaemonLink.cs", "if (_isKept)\n", "if (!MUTANT && _isKept)\n", "KeptConnectionTests"),
        s_worker.This("PickRanges.Without: the last one before the kernel's own is left out", "Working/PickRanges.cs", "Math.Min(other.First - 1,", "Math.Min(other.First - (MUTANT && other.First - first > 1 ? 2 : 1),", "PickRangesTests"),
        s_worker.This("PickRanges.RangeAt: the first of the next range is one past the last", "Working/PickRanges.cs", "while (index >= ranges[at].Count)", "while (MUTANT ? index > ranges[at].Count : index >= ranges[at].Count)", "WorkerRangesTests"),
        s_worker.This("PickRanges: what is reserved the kernel hands out", "Working/PickRanges.cs", "Without(kernels, EphemeralPorts.Reserved(proc))", "Without(kernels, MUTANT ? [] : EphemeralPorts.Reserved(proc))", "PickRangesTests"),
        s_worker.This("PortPicker.TryAll: what others have bound comes before what is free", "Working/PortPicker.cs", "=> TryAll(ranges, isInsisted: false) ??", "=> (MUTANT ? null : TryAll(ranges, isInsisted: false)) ??", "WorkerPortTests.TryPick_AllInTurn"),
        s_worker.This("WorkerSettings.Resolve: another owner has the lease of the first", "Working/WorkerSettings.cs", "&& options.Owner != toldOwner ? 0", "&& !MUTANT && options.Owner != toldOwner ? 0", "WorkerPortTests.Environment_OfAnotherOwner|WorkerPortTests.Listen_ForAnotherOwner"),
        s_worker.This("DaemonLink.CallAsync: a kept connection has the time of a call", "Working/DaemonLink.cs", "await (_isKept ?", "await (!MUTANT && _isKept ?", "KeptConnectionTests.Listen_OverAKept"),
    ];
}
