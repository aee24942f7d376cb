namespace Portmap.Interleaving.Tests.Histories;

/// <summary>What the registry holds, as its specification sees it.</summary>
internal readonly record struct RegistryState(ProtocolState Tcp, ProtocolState Udp)
{
    public static RegistryState Empty { get; } = new(ProtocolState.Empty, ProtocolState.Empty);

    public ProtocolState this[PortProtocol protocol] => protocol == PortProtocol.Udp ? Udp : Tcp;

    public RegistryState With(PortProtocol protocol, ProtocolState state) => protocol == PortProtocol.Udp ? this with { Udp = state } : this with { Tcp = state };
}

/// <summary>What it holds of one protocol: at most three owners, ports 1 to 3, at most eight
/// processes.</summary>
internal readonly record struct ProtocolState(
    OwnerState A, OwnerState B, OwnerState C, byte Dead, byte SurelyCools, byte MayCool, byte MayBeForeign, long HighestOn1, long HighestOn2, long HighestOn3)
{
    public static ProtocolState Empty { get; } = new(OwnerState.Nothing, OwnerState.Nothing, OwnerState.Nothing, 0, 0, 0, 0, 0, 0, 0);

    public OwnerState this[int owner] => owner switch { 0 => A, 1 => B, _ => C };

    public ProtocolState With(int owner, OwnerState state) => owner switch { 0 => this with { A = state }, 1 => this with { B = state }, _ => this with { C = state } };

    /// <summary>The highest epoch a port has seen; 0 for no port.</summary>
    public long HighestOn(int port) => port switch { 1 => HighestOn1, 2 => HighestOn2, 3 => HighestOn3, _ => 0 };

    public ProtocolState Seen(int port, long epoch) => port switch
    {
        1 => this with { HighestOn1 = Math.Max(HighestOn1, epoch) },
        2 => this with { HighestOn2 = Math.Max(HighestOn2, epoch) },
        3 => this with { HighestOn3 = Math.Max(HighestOn3, epoch) },
        _ => this,
    };

    public bool IsDead(int process) => (Dead & (1 << process)) != 0;

    public bool SurelyCoolsOn(int port) => (SurelyCools & (1 << port)) != 0;

    public bool MayCoolOn(int port) => (MayCool & (1 << port)) != 0;

    public bool MayBeForeignOn(int port) => (MayBeForeign & (1 << port)) != 0;

    /// <summary>Whether nobody has a port, and nothing keeps it from being handed out.</summary>
    public bool IsSurelyFree(int port) => !IsHeld(port) && !MayCoolOn(port) && !MayBeForeignOn(port);

    public bool IsHeld(int port) => A.Holds(port) || B.Holds(port) || C.Holds(port);

    /// <summary>An owner was on a port, if only for a moment: who left it before may be forgotten.
    /// -1 is any port.</summary>
    public ProtocolState Touched(int by, int port)
    {
        ProtocolState next = this;
        for (int owner = 0; owner < 3; owner++)
        {
            OwnerState state = next[owner];
            if (owner != by && state.Last.Port != 0 && (port < 0 || state.Last.Port == port))
            {
                next = next.With(owner, state with { Last = state.Last with { IsForgotten = true } });
            }
        }

        return next;
    }

    /// <summary>The claim of an owner on a port has ended: unless somebody else is on it, it
    /// cools.</summary>
    public ProtocolState Cool(int port, in Call by) => port == 0 || IsHeld(port) ? this : this with
    {
        SurelyCools = (byte)(by.IsOfUncertainTime ? SurelyCools : SurelyCools | (1 << port)),
        MayCool = (byte)(MayCool | (1 << port)),
    };

    /// <summary>Somebody took the port, so that it does not cool.</summary>
    public ProtocolState Warm(int port) => this with
    {
        SurelyCools = (byte)(SurelyCools & ~(1 << port)),
        MayCool = (byte)(MayCool & ~(1 << port)),
        MayBeForeign = (byte)(MayBeForeign & ~(1 << port)),
    };

    /// <summary>Somebody could not bind it: it cools, and unless it was taken meanwhile it is a
    /// stranger's a little later, and whoever left it may be forgotten.</summary>
    public ProtocolState Foreign(int port) =>
        port == 0 ? this : (this with { MayCool = (byte)(MayCool | (1 << port)), MayBeForeign = (byte)(MayBeForeign | (1 << port)) }).Touched(by: -1, port);
}

/// <summary>What one owner holds: a registration, an open lease, both or nothing.</summary>
/// <param name="Port">Of the registration; 0 without one.</param>
/// <param name="Process">Of the registration.</param>
/// <param name="Epoch">Of the registration.</param>
/// <param name="Origin">The epoch of the lease that the registration goes back to, or its
/// own.</param>
/// <param name="LeaseEpoch">0 without a lease.</param>
/// <param name="LeasePort">0 when the process brings it.</param>
/// <param name="Granted">The epoch that the lease was granted with: it has another one with another
/// port.</param>
/// <param name="BoundOf">The same of the lease that the registration used up.</param>
/// <param name="IsExtended">The lease outlives a pass.</param>
/// <param name="Last">The last registration that is over, and whether another owner may have had
/// its port since.</param>
/// <param name="HighestBound">The highest epoch of any registration it has had.</param>
/// <param name="HighestLease">The highest epoch of any lease it has had.</param>
internal readonly record struct OwnerState(
    int Port, int Process, long Epoch, long Origin, long LeaseEpoch, int LeasePort, long Granted, long BoundOf, bool IsExtended, LastRegistration Last, long HighestBound, long HighestLease)
{
    public static OwnerState Nothing => default;

    public bool IsBound => Port != 0;

    public bool HasLease => LeaseEpoch != 0;

    public long NewestEpoch => Math.Max(Epoch, LeaseEpoch);

    public long HighestEpoch => Math.Max(HighestBound, HighestLease);

    /// <summary>Whether an epoch is that of the registration, or of what it goes back to.</summary>
    public bool IsOf(long epoch) => IsBound && epoch != 0 && (epoch == Epoch || epoch == Origin);

    /// <summary>Whether an epoch is that of the last registration, and the owner has nothing
    /// newer.</summary>
    public bool IsAgain(long epoch) => !IsBound && !HasLease && epoch != 0 && (epoch == Last.Epoch || epoch == Last.Origin);

    public bool Holds(int port) => Port == port || (HasLease && LeasePort == port);

    public OwnerState WithoutLease() => this with { LeaseEpoch = 0, LeasePort = 0, Granted = 0, IsExtended = false };

    public OwnerState WithoutRegistration() => this with { Port = 0, Process = 0, Epoch = 0, Origin = 0, BoundOf = 0, Last = new LastRegistration(Port, Epoch, Origin, IsForgotten: false) };
}

/// <summary>A registration that is over.</summary>
internal readonly record struct LastRegistration(int Port, long Epoch, long Origin, bool IsForgotten);
