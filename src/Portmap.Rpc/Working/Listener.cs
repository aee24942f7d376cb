using System.Globalization;
using System.Net.Sockets;
using Portmap.Rpc.Diagnostics;

namespace Portmap.Rpc.Working;

/// <summary>Listens and signs in, and heals what is in the way: each port that cannot be had is reported, and the answer brings the next one.</summary>
internal sealed class Listener(WorkerSettings settings, PortmapClient client)
{
    private readonly PortPicker _picker = new(settings, new Random());
    private readonly List<int> _tried = [];

    /// <exception cref="PortRefusedException">Signing in was refused, or too many ports were in use; the message lists them.</exception>
    /// <exception cref="SocketException">Binding failed for a reason that no other port heals.</exception>
    public async Task<(ListeningSockets Sockets, SignIn SignIn)> ListenAsync(CancellationToken cancellationToken)
    {
        int port = settings.Port;
        long epoch = settings.Epoch;
        while (true)
        {
            ListeningSockets? sockets = TryOpen(port, out int failed, out string reason);
            if (sockets is not null)
            {
                try
                {
                    return (sockets, await SignIn.StartAsync(settings, client, sockets.Port, epoch, cancellationToken).ConfigureAwait(false));
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
            (port, epoch) = (next.Port, next.Epoch);
        }
    }

    private ListeningSockets? TryOpen(int port, out int failed, out string reason)
    {
        failed = port;
        reason = string.Empty;
        if (port != 0)
        {
            ListeningSockets? sockets = ListeningSockets.TryOpen(settings, port, isInsisted: true, beforeBind: null, out SocketException? inUse);
            reason = inUse?.Message ?? string.Empty;
            return sockets;
        }

        // Every port of the range was tried; there is none to report, and nothing that the daemon could answer.
        return _picker.TryPick() ?? throw Refused(
            PortRefusalReason.Exhausted,
            $"Every port of {settings.Range} that is not excluded is in use at {settings.Address}; widen the range (PORTMAP_RANGE) or stop what holds the ports.");
    }

    private async Task<PortEntry> HealAsync(int port, long epoch, string reason, CancellationToken cancellationToken)
    {
        _tried.Add(port);
        if (_tried.Count >= settings.BindAttempts)
        {
            throw Refused(
                PortRefusalReason.AttemptsExhausted,
                $"None of {_tried.Count} ports could be bound for '{settings.Owner}' ({Tried()}), and that is the limit (PORTMAP_BIND_ATTEMPTS); the last reason was: {reason}");
        }

        try
        {
            PortEntry next = await client.ReportBindFailureAsync(settings.Owner, port, epoch, settings.Protocol, cancellationToken).ConfigureAwait(false);
            Log.BindHealed(settings.Logger, settings.Owner, port, reason);
            return next;
        }
        catch (PortRefusedException e)
        {
            PortRefusal refusal = e.Refusal;
            throw new PortRefusedException(PortRefusal.Create(
                refusal.Reason,
                $"{refusal.Message} Tried here: {Tried()}; the last reason was: {reason}",
                refusal.Owner,
                refusal.Port,
                refusal.Protocol,
                refusal.Holder,
                refusal.HolderProcessId,
                refusal.HolderEpoch));
        }
    }

    // Another port heals what is wrong with the port; nothing heals here what is wrong with the owner or its epoch.
    private static bool IsAboutPort(PortRefusal refusal) => refusal.Reason switch
    {
        PortRefusalReason.Taken or PortRefusalReason.InUse or PortRefusalReason.Foreign => true,
        PortRefusalReason.Conflict => refusal.Holder is not null && refusal.Holder != refusal.Owner,
        _ => false,
    };

    private PortRefusedException Refused(PortRefusalReason reason, string message) =>
        new(PortRefusal.Create(reason, message, settings.Owner, _tried.LastOrDefault(), settings.Protocol));

    private string Tried() => string.Join(", ", _tried.Select(port => port.ToString(CultureInfo.InvariantCulture)));
}
