using System.Globalization;

namespace Portmap.Interleaving.Tests.Histories;

internal enum CallKind
{
    /// <summary>Acquires a port that the registry picks.</summary>
    Acquire,

    /// <summary>Acquires the right to bring a port.</summary>
    AcquireOwn,

    /// <summary>Acquires one number on both protocols. Each half is an acquisition of its own in a
    /// history, for each takes effect at a moment of its own.</summary>
    AcquireBoth,

    /// <summary>Acquires for an owner and the next one, both or none.</summary>
    AcquireAll,

    /// <summary>The same, and the ports lie in a row.</summary>
    AcquireBlock,

    Register,

    /// <summary>Registers with the epoch of the owner's last lease.</summary>
    RegisterLease,

    /// <summary>Registers with the epoch that the owner was registered with last.</summary>
    RegisterAgain,

    Release,
    ReleaseLease,

    /// <summary>The same through a session, by the epoch.</summary>
    ReleaseEpoch,

    /// <summary>The port of the owner's lease could not be bound: the lease gets another
    /// one.</summary>
    ReportBindFailure,

    /// <summary>The owner's lease gets more time than a pass takes.</summary>
    Extend,

    /// <summary>The gate of the owner's lease is opened for its program. Who is at a placeholder
    /// hides its port from acquisitions, as who gives it back.</summary>
    OpenGate,
    FindPort,
    FindByOwner,
    FindByPort,

    /// <summary>A process is killed and its connection breaks off.</summary>
    Die,

    /// <summary>Time passes until every open lease is over and whatever cools has cooled, and the
    /// pass of the registry is made.</summary>
    Pass,

    /// <summary>A pass ended a lease that ran out, or not; part of <see cref="Pass"/>, which ends
    /// them one by one.</summary>
    Expire,

    /// <summary>A registration of another owner ended a lease on its port; part of that
    /// registration, which may be refused for another reason later.</summary>
    Take,

    /// <summary>Half of a lease for both protocols ended with the other one.</summary>
    EndHalf,
}

/// <summary>One call, and its answer once there is one. Owners, ports and processes by their
/// numbers in the scene; 0 is no port, -1 no owner and no process.</summary>
internal readonly record struct Call(CallKind Kind, int Owner = -1, int Port = 0, int Process = -1)
{
    /// <summary>Which protocol it is about; of both it acquires on each.</summary>
    public PortProtocol Protocol { get; init; }

    /// <summary>The epoch that was given.</summary>
    public long Epoch { get; init; }

    /// <summary>Of a call by the lease itself: the epoch it was granted with, whatever port it has
    /// come to.</summary>
    public long Granted { get; init; }

    public bool Succeeded { get; init; }

    public PortRefusalReason Reason { get; init; }

    public PortState State { get; init; }

    public int AnswerOwner { get; init; } = -1;

    public int AnswerPort { get; init; }

    public int AnswerProcess { get; init; } = -1;

    public long AnswerEpoch { get; init; }

    /// <summary>What the next owner was given, where two were asked for.</summary>
    public int SecondPort { get; init; }

    public long SecondEpoch { get; init; }

    /// <summary>How many calls that change anything overlapped it.</summary>
    public int Rivals { get; init; }

    /// <summary>Whether a call of another owner that may take a port overlapped it.</summary>
    public bool HasRivalOwners { get; init; }

    /// <summary>Whether an acquisition of the same owner for both protocols overlapped it, of which
    /// half may have been in force and was taken back.</summary>
    public bool MeetsBoth { get; init; }

    /// <summary>A pass moved the clock meanwhile, or while a call that overlapped it was under way:
    /// the time of its endings may be of before.</summary>
    public bool IsOfUncertainTime { get; init; }

    /// <summary>Whether it acquires for an owner and the next one.</summary>
    public bool IsOfTwo => Kind is CallKind.AcquireAll or CallKind.AcquireBlock;

    /// <summary>The owner after this one, of three.</summary>
    public int SecondOwner => (Owner + 1) % 3;

    /// <summary>The acquisitions it stands for.</summary>
    public IEnumerable<Call> Acquisitions => Kind == CallKind.AcquireBoth
        ? [this with { Kind = CallKind.Acquire, Protocol = PortProtocol.Tcp }, this with { Kind = CallKind.Acquire, Protocol = PortProtocol.Udp }]
        : !IsOfTwo
        ? [this]
        : [this with { Kind = CallKind.Acquire }, this with { Kind = CallKind.Acquire, Owner = SecondOwner, AnswerPort = SecondPort, AnswerEpoch = SecondEpoch }];

    public bool Changes => Kind is not (CallKind.FindPort or CallKind.FindByOwner or CallKind.FindByPort);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Kind} {Protocol} owner {Owner} port {Port} process {Process} epoch {Epoch} -> {(Succeeded ? "yes" : Reason)} {State} owner {AnswerOwner} port {AnswerPort} process {AnswerProcess} epoch {AnswerEpoch}{(IsOfTwo ? $", second port {SecondPort} epoch {SecondEpoch}" : string.Empty)}");
}
