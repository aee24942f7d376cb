using System.Globalization;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Serving;

/// <summary>
/// What one party, a connection or a user, holds: the owners that it registered or acquired, and
/// their ports. No more than its limits say.
/// </summary>
/// <remarks>
/// <para>An owner is counted before it is asked for, so that calls at the same time cannot pass the
/// limit together, and no longer when it is given back. Claims also end without a word of their
/// party; so at the limit all are looked at, at most once a second.</para>
/// Safe for any thread.
/// </remarks>
/// <param name="registry">Which knows what still stands.</param>
/// <param name="timeProvider">The clock.</param>
/// <param name="limits">How much it may hold, and how that is said.</param>
internal sealed class OwnerShare(PortRegistry registry, TimeProvider timeProvider, ShareLimits limits)
{
    /// <summary>
    /// Between two walks over all that is held, or each refused call would cost one.
    /// </summary>
    private static readonly TimeSpan s_walkInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Owner, PortProtocol Protocol), Held> _owners = [];
    private readonly Dictionary<(int Port, PortProtocol Protocol), int> _ports = [];
    private long? _walkedAt;

    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _owners.Count == 0;
            }
        }
    }

    /// <summary>Counts an owner that is about to be asked for.</summary>
    /// <exception cref="PortRefusedException">TooManyOwners: the limit is reached.</exception>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port, 0 when it is not known yet.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="ahead">How many ports the same ask takes besides.</param>
    public void Begin(string owner, int port, PortProtocol protocol, int ahead = 0)
    {
        lock (_gate)
        {
            if (Complaint(owner, port, protocol, ahead) is not null)
            {
                Walk();
                if (Complaint(owner, port, protocol, ahead) is { } complaint)
                {
                    throw new PortRefusedException(new PortRefusal(PortRefusalReason.TooManyOwners, complaint) { Owner = owner, Port = port, Protocol = protocol });
                }
            }

            CollectionsMarshal.GetValueRefOrAddDefault(_owners, (owner, protocol), out _).Asking++;
        }
    }

    /// <summary>Notes what came of it.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="epoch">The epoch of the claim; 0 when it was refused.</param>
    /// <param name="port">The port of the claim, 0 when its process picks one.</param>
    public void End(string owner, PortProtocol protocol, long epoch, int port)
    {
        lock (_gate)
        {
            ref Held held = ref CollectionsMarshal.GetValueRefOrNullRef(_owners, (owner, protocol));
            held.Asking--;
            if (epoch != 0)
            {
                Move(ref held, protocol, port);
                held.Epoch = Math.Max(held.Epoch, epoch);
            }
            else if (held is { Asking: 0, Epoch: 0 })
            {
                _owners.Remove((owner, protocol));
            }
        }
    }

    /// <summary>
    /// Looks whether an owner is held still, after something of it was given back.
    /// </summary>
    public void Look(string owner, PortProtocol protocol)
    {
        lock (_gate)
        {
            if (_owners.TryGetValue((owner, protocol), out Held held))
            {
                ForgetUnlessStanding((owner, protocol), held);
            }
        }
    }

    private string? Complaint(string owner, int port, PortProtocol protocol, int ahead)
    {
        if (_owners.Count >= limits.Owners && !_owners.ContainsKey((owner, protocol)))
        {
            return string.Create(CultureInfo.InvariantCulture, $"{limits.Owners} owners are registered or acquired {limits.By}, which is its limit ({limits.OwnersName}); {limits.Remedy}.");
        }

        bool takesOne = (port == 0 && !_owners.ContainsKey((owner, protocol))) || (limits.Counts(port) && !_ports.ContainsKey((port, protocol)));
        return takesOne && _ports.Count + ahead >= limits.Ports
            ? string.Create(CultureInfo.InvariantCulture, $"{limits.Ports} ports of {string.Join(',', limits.Ranges)} are taken {limits.By}, which is its limit ({nameof(PortmapServerOptions.MaxPortsPerUser)}, and half of the range); {limits.Remedy}.")
            : null;
    }

    private void Walk()
    {
        if (_walkedAt is { } walked && timeProvider.GetElapsedTime(walked) < s_walkInterval)
        {
            return;
        }

        _walkedAt = timeProvider.GetTimestamp();
        foreach (((string, PortProtocol) one, Held held) in _owners)
        {
            ForgetUnlessStanding(one, held);
        }
    }

    // A later claim of the owner is somebody else's, or this party's and noted soon.
    private void ForgetUnlessStanding((string Owner, PortProtocol Protocol) one, Held held)
    {
        if (held.Asking == 0 && !(registry.TryGetEntry(one.Owner, out PortEntry entry, one.Protocol) && entry.Epoch <= held.Epoch))
        {
            Move(ref held, one.Protocol, 0);
            _owners.Remove(one);
            limits.Forgotten?.Invoke(one.Owner, one.Protocol);
        }
    }

    private void Move(ref Held held, PortProtocol protocol, int port)
    {
        if (held.Port != 0 && --CollectionsMarshal.GetValueRefOrNullRef(_ports, (held.Port, protocol)) == 0)
        {
            _ports.Remove((held.Port, protocol));
        }

        held.Port = limits.Counts(port) ? port : 0;
        if (held.Port != 0)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_ports, (held.Port, protocol), out _)++;
        }
    }

    private struct Held
    {
        /// <summary>Of the newest claim that is known.</summary>
        public long Epoch;

        /// <summary>Its port, if that is one of the range.</summary>
        public int Port;

        /// <summary>How many calls for it are under way.</summary>
        public int Asking;
    }
}
