namespace Portmap.Strategies;

/// <summary>
/// The process, or the kernel, picks; the number becomes a claim when the process has listened and
/// registers. The recommended strategy.
/// </summary>
internal sealed class ProcessBinds : IPortAllocationStrategy
{
    public string Name => PortRegistryOptions.ProcessBinds;

    public int Pick(PortSearch search) => PortSearch.ProcessBrings;
}
