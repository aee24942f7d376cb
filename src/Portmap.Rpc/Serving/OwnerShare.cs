using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Serving;

/// <summary>
/// What one party, a connection or a user, holds: the owners that it registered or acquired, and
/// their ports. No more than its limits say.
/// </summary>
/// <remarks>
/// <para>An owner, and the port that it may get, are counted before they are asked for, so that calls
/// at the same time cannot pass a limit together, and no longer when they are given back. An owner
/// may have two ports: that of its registration, and that of a lease beside it; each counts as long
/// as it stands. Claims also end without a word of their party; so at the limit all are looked at,
/// at most once a second.</para>
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
    private int _underWay;   // ports that may come of calls under way
    private long? _walkedAt;

    /// <summary>
    /// How many connections count in it. Of a user's share alone, by <see cref="UserShares"/>.
    /// </summary>
    public int Connections { get; set; }

    /// <summary>Looks through all that is held, and says whether nothing of it stands.</summary>
    public bool HoldsNothing()
    {
        lock (_gate)
        {
            LookThrough();
            return _owners.Count == 0;
        }
    }

    /// <summary>Counts an owner that is about to be asked for.</summary>
    /// <exception cref="PortRefusedException">TooManyOwners: the limit is reached.</exception>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port of a registration; 0 for a lease, whose port is not known
    /// yet.</param>
    /// <param name="protocol">The protocol.</param>
    public void Begin(string owner, int port, PortProtocol protocol)
    {
        lock (_gate)
        {
            if (Complaint(owner, port, protocol) is not null)
            {
                Walk();
                if (Complaint(owner, port, protocol) is { } complaint)
                {
                    throw new PortRefusedException(new PortRefusal(PortRefusalReason.TooManyOwners, complaint) { Owner = owner, Port = port, Protocol = protocol });
                }
            }

            int taking = TakesOne(owner, port, protocol) ? 1 : 0;
            ref Held held = ref CollectionsMarshal.GetValueRefOrAddDefault(_owners, (owner, protocol), out _);
            held.Asking++;
            held.Taking += taking;
            _underWay += taking;
        }
    }

    /// <summary>Notes what came of it.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="epoch">The epoch of the claim; 0 when it was refused.</param>
    /// <param name="port">The port of the claim, 0 when its process picks one.</param>
    /// <param name="isLease">Whether it is a lease; else a registration.</param>
    public void End(string owner, PortProtocol protocol, long epoch, int port, bool isLease)
    {
        lock (_gate)
        {
            ref Held held = ref CollectionsMarshal.GetValueRefOrNullRef(_owners, (owner, protocol));
            held.Asking--;
            int over = Math.Max(0, held.Taking - held.Asking);
            held.Taking -= over;
            _underWay -= over;
            if (epoch != 0)
            {
                Move(ref isLease ? ref held.Leased : ref held.Registered, protocol, port);
                held.Over = isLease ? held.Over : null;
                if (!isLease && held.Leased == held.Registered)
                {
                    Move(ref held.Leased, protocol, 0);   // it is used up
                }

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

    /// <summary>Notes that the connection of a registration ends: for a process that nobody knows
    /// lookups answer nothing from then on, and its port is held all the same.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="over">Completes when its grace is over: until then it counts.</param>
    public void NoteDisconnected(string owner, PortProtocol protocol, Task over)
    {
        lock (_gate)
        {
            ref Held held = ref CollectionsMarshal.GetValueRefOrNullRef(_owners, (owner, protocol));
            if (!Unsafe.IsNullRef(ref held))
            {
                held.Over = over;
            }
        }
    }

    /// <summary>Whether a call may bring one more port: a lease does where none is open, whatever
    /// else its owner has.</summary>
    private bool TakesOne(string owner, int port, PortProtocol protocol) => port == 0
        ? _owners.GetValueOrDefault((owner, protocol)).Leased == 0
        : limits.Counts(port) && !_ports.ContainsKey((port, protocol));

    private string? Complaint(string owner, int port, PortProtocol protocol)
    {
        if (_owners.Count >= limits.Owners && !_owners.ContainsKey((owner, protocol)))
        {
            return string.Create(CultureInfo.InvariantCulture, $"{limits.Owners} owners are registered or acquired {limits.By}, which is its limit ({limits.OwnersName}); {limits.Remedy}.");
        }

        return _ports.Count + _underWay >= limits.Ports && TakesOne(owner, port, protocol)
            ? string.Create(CultureInfo.InvariantCulture, $"{limits.Ports} ports of {string.Join(',', limits.Ranges)} are taken {limits.By}, which is its limit ({nameof(PortmapServerOptions.MaxPortsPerUser)}, and half of the range); {limits.Remedy}.")
            : null;
    }

    private void Walk()
    {
        if (_walkedAt is { } walked && timeProvider.GetElapsedTime(walked) < s_walkInterval)
        {
            return;
        }

        LookThrough();
    }

    private void LookThrough()
    {
        _walkedAt = timeProvider.GetTimestamp();
        foreach (((string, PortProtocol) one, Held held) in _owners)
        {
            ForgetUnlessStanding(one, held);
        }
    }

    // A later claim of the owner is somebody else's, or this party's and noted soon.
    private void ForgetUnlessStanding((string Owner, PortProtocol Protocol) one, Held held)
    {
        if (held.Asking != 0)
        {
            return;
        }

        bool isFound = registry.TryGetEntry(one.Owner, out PortEntry entry, one.Protocol);
        bool isOurs = isFound && entry.Epoch <= held.Epoch;
        bool isRegistered = isFound && entry.State == PortState.Bound ? isOurs : held.Over is { IsCompleted: false };
        bool isLeased = held.Leased != 0 ? IsReserved(one, held) : isOurs && entry.State == PortState.Reserved;
        if (!isRegistered)
        {
            Move(ref CollectionsMarshal.GetValueRefOrNullRef(_owners, one).Registered, one.Protocol, 0);
        }

        if (!isLeased)
        {
            Move(ref CollectionsMarshal.GetValueRefOrNullRef(_owners, one).Leased, one.Protocol, 0);
        }

        if (!isRegistered && !isLeased)
        {
            _owners.Remove(one);
            limits.Forgotten?.Invoke(one.Owner, one.Protocol);
        }
    }

    // A lease beside a registration is found by its port alone.
    private bool IsReserved((string Owner, PortProtocol Protocol) one, Held held) =>
        registry.TryGetEntry(held.Leased, out PortEntry entry, one.Protocol)
        && entry.State == PortState.Reserved && entry.Owner == one.Owner && entry.Epoch <= held.Epoch;

    private void Move(ref int held, PortProtocol protocol, int port)
    {
        if (held != 0 && --CollectionsMarshal.GetValueRefOrNullRef(_ports, (held, protocol)) == 0)
        {
            _ports.Remove((held, protocol));
        }

        held = limits.Counts(port) ? port : 0;
        if (held != 0)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_ports, (held, protocol), out _)++;
        }
    }

    private struct Held
    {
        /// <summary>Of the newest claim that is known.</summary>
        public long Epoch;

        /// <summary>The port of its registration, if that is one of the range.</summary>
        public int Registered;

        /// <summary>The port of its lease, if that is one of the range.</summary>
        public int Leased;

        /// <summary>Completes when the registration is over whose connection has ended; null while
        /// that lives.</summary>
        public Task? Over;

        /// <summary>How many calls for it are under way.</summary>
        public int Asking;

        /// <summary>How many ports may come of them.</summary>
        public int Taking;
    }
}
