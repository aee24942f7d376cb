namespace Portmap.Table;

/// <summary>The internal steps between which a thread may be suspended; see
/// <see cref="Hook"/>.</summary>
internal enum Step
{
    // PortClaim
    ReadWord,
    ReadCell,
    ReadBelow,
    ReadUsesUp,
    ReadShared,
    MarkShared,
    DrawBelow,
    TakeEffect,
    Seat,
    EndClaim,
    MarkFact,
    SkipBelow,
    ForgetUsesUp,
    SettleClaim,

    // ClaimGroup
    JoinGroup,
    ReadGroup,
    DecideGroup,

    // OwnerCell
    CompareName,
    ReadTop,
    PushTop,
    ReadLast,
    NoteLast,

    // PortSlots, PortTable
    ReadSlot,
    MakeSlots,
    SetSlot,
    MakeUdp,

    // OwnerIndex
    ReadTable,
    ReadBucket,
    InsertCell,
    MakeGrown,
    FreezeBucket,
    FillBucket,
    PublishGrown,
    RaiseMark,
    NoteLastPort,
    NoteIdle,
    BeginWalk,
    EndWalk,

    // OwnerCredits
    TakeCredit,
    ReturnCredit,

    // FreePorts
    ReadBits,
    ReadSummary,
    SetBit,
    MarkSummary,
    ClearBit,
    ClearSummary,
    LookAgain,
    DrainBits,

    // DelayedPorts
    MakeGeneration,
    PassGeneration,

    // LastPorts
    RecallPort,
    RememberPort,
    PlaceHint,

    // EpochSource
    DrawEpoch,

    // ChangeLog
    StartRecording,
    ReadChange,
    PlaceChange,
    CountChange,
    WakeReaders,
    ReadCompleted,

    // ClaimHolder, SessionHolder
    ReadSession,
    MoveSession,
    NoteLook,
    NoteAcquired,
    NoteUnwatched,

    // PortLease
    GrantLease,
    HealLease,
    RegisterLease,
    SetOutcome,
    AskOutcome,
    ChangeExtras,
    CloseLeaseTime,
    ExtendLease,

    // PortRegistry
    AskWriter,
    TellAgain,
    PlaceGuard,
    BeginPass,
    EndPass,
    NoteSweep,
    BeginSweep,
    EndSweep,

    // SocketGuard, Placeholder
    FindPlaceholder,
    HoldPlaceholder,
    ForgetPlaceholder,
    BeginErrand,
    DoErrand,
    EndErrand,
    MoveGate,
    ClosePlaceholder,
}
