using System.Globalization;
using System.Net.Sockets;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Working;

/// <summary>
/// Listens and signs in, and heals what is in the way: each port that cannot be had is reported,
/// and the answer brings the next one.
/// </summary>
internal sealed class Listener(WorkerSettings settings, DaemonLink link)
{
    private readonly PortPicker _picker = new(settings, new Random());
    private readonly List<int> _tried = [];

    /// <summary>The epoch of the lease that the daemon named when it was asked, or null.</summary>
    private long? _asked;

    /// <summary>Whether that lease is made for this process, and not for another one
    /// before.</summary>
    private bool _isOurs;

    /// <summary>The last call that made a lease. It goes on when nobody waits for it any more: what
    /// came of it is given back.</summary>
    private Task<PortEntry>? _leasing;

    /// <exception cref="PortRefusedException">Signing in was refused; or too many ports were in
    /// use, and the message lists them; or binding failed for a reason that no other port heals:
    /// PortDenied, AddressUnavailable, FamilyUnsupported, NoDescriptors, NoMemory.</exception>
    /// <exception cref="SocketException">Binding failed for a reason that is none of
    /// these.</exception>
    public async Task<(ListeningSockets Sockets, SignIn SignIn)> ListenAsync(CancellationToken cancellationToken)
    {
        int port = settings.Port;
        long? epoch = settings.Epoch == 0 ? null : settings.Epoch;
        try
        {
            if (!settings.IsToldWhere && await AskForPortAsync(cancellationToken).ConfigureAwait(false) is { } asked)
            {
                // Without the epoch of that lease: a second start by hand must not replace a
                // process that serves.
                (port, _asked) = (asked.Port, asked.Epoch);
            }

            return await ListenAsync(port, epoch, cancellationToken).ConfigureAwait(false);
        }
        catch when (_isOurs && link.Connected is not null)
        {
            await GiveBackAsync(link.Connected).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<(ListeningSockets Sockets, SignIn SignIn)> ListenAsync(int port, long? epoch, CancellationToken cancellationToken)
    {
        while (true)
        {
            ListeningSockets? sockets = TryOpen(port, out int failed, out string reason);
            if (sockets is not null)
            {
                try
                {
                    return (sockets, await SignIn.StartAsync(settings, link, sockets.Port, epoch ?? 0, cancellationToken).ConfigureAwait(false));
                }
                catch (Exception e)
                {
                    failed = sockets.Port;
                    reason = e.Message;
                    sockets.Dispose();
                    if (e is not PortRefusedException refused || !IsAboutPort(refused.Refusal))
                    {
                        throw;
                    }
                }
            }

            PortEntry next = await HealAsync(failed, epoch, reason, cancellationToken).ConfigureAwait(false);
            (port, epoch, _asked) = _asked is null ? (next.Port, next.Epoch, (long?)null) : (next.Port, null, next.Epoch);
        }
    }

    /// <summary>
    /// Asks the daemon for a port of its range: it knows the range, and its guard holds the port
    /// until this process listens.
    /// </summary>
    /// <returns>
    /// The reserved entry, or null when the daemon leaves the choice to this process.
    /// </returns>
    private async Task<PortEntry?> AskForPortAsync(CancellationToken cancellationToken)
    {
        PortRequest request = new(settings.Owner) { Protocol = settings.Protocol, Strategy = PortRegistryOptions.AllocatorPicks };
        _isOurs = true;
        try
        {
            return await LeaseAsync(client => client.AcquireAsync(request, CancellationToken.None), cancellationToken).ConfigureAwait(false);
        }
        catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.AlreadyReserved)
        {
            _isOurs = false;

            // Somebody acquired for this owner and did not say so: that port is the one to listen
            // on.
            PortProtocol first = SingleProtocols.Of(settings.Protocol)[0];
            PortEntry? entry = await link.CallAsync((client, token) => client.GetEntryAsync(settings.Owner, first, token), cancellationToken).ConfigureAwait(false);
            return entry is { State: PortState.Reserved, Port: > 0 } ? entry : null;
        }
        catch (PortRefusedException e) when (e.Refusal.Reason is PortRefusalReason.NotPermitted or PortRefusalReason.UnknownStrategy)
        {
            _isOurs = false;
            return null;
        }
    }

    private Task<PortEntry> LeaseAsync(Func<PortmapClient, Task<PortEntry>> ask, CancellationToken cancellationToken) =>
        link.CallAsync((client, token) => (_leasing = ask(client)).WaitAsync(token), cancellationToken);

    /// <summary>
    /// Releases the lease that was asked for here, so that it does not hold its port until it times
    /// out. It takes as long as a sign-out at most, also for one that gave up.
    /// </summary>
    private async Task GiveBackAsync(PortmapClient client)
    {
        using CancellationTokenSource limit = new(SignIn.SignOutLimit, settings.TimeProvider);
        try
        {
            long? epoch = _leasing is { IsFaulted: false } leasing ? (await leasing.WaitAsync(limit.Token).ConfigureAwait(false)).Epoch : _asked;
            foreach (PortProtocol protocol in epoch is null ? [] : SingleProtocols.Of(settings.Protocol))
            {
                await client.ReleaseAsync(new(settings.Owner) { Epoch = epoch, Protocol = protocol }, limit.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or InvalidDataException or PortRefusedException or OperationCanceledException)
        {
            Log.SignOutFailed(settings.Logger, settings.Owner, e.Message);
        }
    }

    private ListeningSockets? TryOpen(int port, out int failed, out string reason)
    {
        failed = port;
        reason = string.Empty;
        try
        {
            if (port != 0)
            {
                ListeningSockets? sockets = ListeningSockets.TryOpen(settings, port, isInsisted: true, beforeBind: null, out SocketException? inUse);
                reason = inUse?.Message ?? string.Empty;
                return sockets;
            }

            if (_picker.TryPick() is { } picked)
            {
                return picked;
            }
        }
        catch (SocketException e) when (PortRefusal.CreateForBind(e, settings.Owner, port, settings.Protocol, settings.Address) is { } refusal)
        {
            throw new PortRefusedException(refusal);
        }

        // Every port of the range was tried; there is none to report, and nothing that the daemon
        // could answer.
        (int denied, SocketException? why) = _picker.Denied;
        int tried = settings.Ports.Ports.Count(candidate => !settings.Exclude.Any(range => range.Contains(candidate)));
        throw denied == tried && why is not null
            ? new PortRefusedException(PortRefusal.CreateForBind(why, settings.Owner, settings.Ports.All[0].First, settings.Protocol, settings.Address)!)
            : Refused(
                PortRefusalReason.Exhausted,
                $"Every port of {settings.Ports} that is not excluded is in use at {settings.Address}{(denied == 0 ? string.Empty : $", or may not be bound by this user ({denied} of them)")}; widen the range (PORTMAP_RANGE) or stop what holds the ports.");
    }

    private async Task<PortEntry> HealAsync(int port, long? epoch, string reason, CancellationToken cancellationToken)
    {
        _tried.Add(port);
        PortRefusedException? givenUp = _tried.Count < settings.BindAttempts ? null
            : Refused(
                PortRefusalReason.AttemptsExhausted,
                $"None of {_tried.Count} ports could be bound for '{settings.Owner}' ({Tried()}), and that is the limit (PORTMAP_BIND_ATTEMPTS); the last reason was: {reason}");

        PortEntry next;
        try
        {
            // The last one is reported too: the daemon, whose limit is the same, names who holds
            // them.
            PortClaimRequest failed = new(settings.Owner, port) { Epoch = epoch, Protocol = settings.Protocol, Ports = settings.ToldPorts };
            next = await LeaseAsync(client => client.ReportBindFailureAsync(failed, cancellationToken: CancellationToken.None), cancellationToken).ConfigureAwait(false);
        }
        catch (PortRefusedException e) when (givenUp is null || e.Refusal.Reason == PortRefusalReason.AttemptsExhausted)
        {
            PortRefusal refusal = e.Refusal;
            throw new PortRefusedException(new PortRefusal(
                refusal.Reason,
                $"{refusal.Message} Tried here: {Tried()}; the last reason was: {reason}")
            {
                Owner = refusal.Owner,
                Port = refusal.Port,
                Protocol = refusal.Protocol,
                Holder = refusal.Holder,
                HolderProcessId = refusal.HolderProcessId,
                HolderEpoch = refusal.HolderEpoch,
            });
        }
        catch (Exception e) when (givenUp is not null && e is (PortRefusedException or IOException))
        {
            throw givenUp;
        }

        if (givenUp is not null)
        {
            throw givenUp;
        }

        Log.BindHealed(settings.Logger, settings.Owner, port, reason);
        return next;
    }

    // Another port heals what is wrong with the port; nothing heals here what is wrong with the
    // owner or its epoch.
    private static bool IsAboutPort(PortRefusal refusal) => refusal.Reason switch
    {
        PortRefusalReason.Taken or PortRefusalReason.InUse or PortRefusalReason.Foreign => true,
        PortRefusalReason.Conflict => refusal.Holder is not null && refusal.Holder != refusal.Owner,
        _ => false,
    };

    private PortRefusedException Refused(PortRefusalReason reason, string message) =>
        new(new PortRefusal(reason, message) { Owner = settings.Owner, Port = _tried.LastOrDefault(), Protocol = settings.Protocol });

    private string Tried() => string.Join(", ", _tried.Select(port => port.ToString(CultureInfo.InvariantCulture)));
}
