namespace Portmap.Operations;

/// <summary>How a step of an operation came out.</summary>
/// <remarks>Closed: whoever drives an operation switches over all of them without a default, and
/// the compiler says which is missing.</remarks>
internal enum AnswerKind
{
    /// <summary>The change took effect.</summary>
    Done,

    /// <summary>It did not, for a reason that the caller is told.</summary>
    Refused,

    /// <summary>Something has to come to the disk first: make the step again then.</summary>
    Wait,

    /// <summary>Somebody else's step came between: make the step again now.</summary>
    Again,
}

/// <summary>What an operation waits for. Never without a store that confirms.</summary>
internal enum AwaitedFact
{
    None,

    /// <summary>The fact of its own claim, or of the one that it withdrew.</summary>
    Own,

    /// <summary>What is pending on its owner.</summary>
    OfOwner,

    /// <summary>The end of the claim that had its port.</summary>
    OfPort,

    /// <summary>Ends of any claims: ports are free after them.</summary>
    OfAnyEnd,
}

/// <summary>The answer of one step of an operation.</summary>
internal readonly struct Answer
{
    private Answer(AnswerKind kind, PortRefusal? refusal = null, AwaitedFact awaited = AwaitedFact.None)
    {
        Kind = kind;
        Refusal = refusal;
        Awaited = awaited;
    }

    public static Answer Done => new(AnswerKind.Done);

    public static Answer Again => new(AnswerKind.Again);

    public AnswerKind Kind { get; }

    /// <summary>Why it was refused; null else.</summary>
    public PortRefusal? Refusal { get; }

    /// <summary>What it waits for.</summary>
    public AwaitedFact Awaited { get; }

    /// <summary>Refused, with the reason.</summary>
    public static implicit operator Answer(PortRefusal refusal) => new(AnswerKind.Refused, refusal);

    public static Answer Wait(AwaitedFact awaited) => new(AnswerKind.Wait, awaited: awaited);
}
