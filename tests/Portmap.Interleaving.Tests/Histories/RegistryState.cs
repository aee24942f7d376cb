namespace Portmap.Interleaving.Tests.Histories;

/// <summary>What the registry holds, as its specification sees it: at most three owners, ports 1 to 3, at most eight processes.</summary>
internal readonly record struct RegistryState(OwnerState A, OwnerState B, OwnerState C, byte Dead, byte SurelyCools, byte MayCool)
{
    public static RegistryState Empty { get; } = new(OwnerState.Nothing, OwnerState.Nothing, OwnerState.Nothing, 0, 0, 0);

    public OwnerState this[int owner] => owner switch { 0 => A, 1 => B, _ => C };

    public RegistryState With(int owner, OwnerState state) => owner switch { 0 => this with { A = state }, 1 => this with { B = state }, _ => this with { C = state } };

    public bool IsDead(int process) => (Dead & (1 << process)) != 0;

    public bool SurelyCoolsOn(int port) => (SurelyCools & (1 << port)) != 0;

    public bool MayCoolOn(int port) => (MayCool & (1 << port)) != 0;

    public bool IsHeld(int port) => A.Holds(port) || B.Holds(port) || C.Holds(port);

    /// <summary>The claim of an owner on a port has ended: unless somebody else is on it, it cools.</summary>
    public RegistryState Cool(int port, in Call by) => port == 0 || IsHeld(port) ? this : this with
    {
        SurelyCools = (byte)(by.IsOfUncertainTime ? SurelyCools : SurelyCools | (1 << port)),
        MayCool = (byte)(MayCool | (1 << port)),
    };

    /// <summary>Somebody took the port, so that it does not cool.</summary>
    public RegistryState Warm(int port) => this with { SurelyCools = (byte)(SurelyCools & ~(1 << port)), MayCool = (byte)(MayCool & ~(1 << port)) };
}

/// <summary>What one owner holds: a registration, an open lease, both or nothing.</summary>
/// <param name="Port">Of the registration; 0 without one.</param>
/// <param name="Process">Of the registration.</param>
/// <param name="Epoch">Of the registration.</param>
/// <param name="LeaseEpoch">0 without a lease.</param>
/// <param name="LeasePort">0 when the process brings it.</param>
internal readonly record struct OwnerState(int Port, int Process, long Epoch, long LeaseEpoch, int LeasePort)
{
    public static OwnerState Nothing => default;

    public bool IsBound => Port != 0;

    public bool HasLease => LeaseEpoch != 0;

    public long NewestEpoch => Math.Max(Epoch, LeaseEpoch);

    public bool Holds(int port) => Port == port || (HasLease && LeasePort == port);

    public OwnerState WithoutLease() => this with { LeaseEpoch = 0, LeasePort = 0 };

    public OwnerState WithoutRegistration() => this with { Port = 0, Process = 0, Epoch = 0 };
}
