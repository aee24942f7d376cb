namespace Portmap.Rpc.Serving;

/// <summary>How much an <see cref="OwnerShare"/> may hold, and how a refusal says so.</summary>
internal sealed record ShareLimits
{
    /// <summary>How many owners.</summary>
    public required int Owners { get; init; }

    /// <summary>The option that says so.</summary>
    public required string OwnersName { get; init; }

    /// <summary>
    /// The ports that are counted: those that are handed out. The default, no range, counts none.
    /// </summary>
    public IReadOnlyList<PortRange> Ranges { get; init; } = [];

    /// <summary>How many of them.</summary>
    public int Ports { get; init; } = int.MaxValue;

    /// <summary>Whether a port is counted.</summary>
    public bool Counts(int port)
    {
        for (int i = 0; i < Ranges.Count; i++)
        {
            if (Ranges[i].Contains(port))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whose it is: "over this connection", "by user 1000".</summary>
    public required string By { get; init; }

    /// <summary>What to do at the limit.</summary>
    public required string Remedy { get; init; }

    /// <summary>
    /// Is told of owners that are held no longer. Called within the lock of the share.
    /// </summary>
    public Action<string, PortProtocol>? Forgotten { get; init; }
}
