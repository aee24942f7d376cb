using Portmap;

namespace Examples;

/// <summary>A strategy of a host's own: even ports first.</summary>
public sealed class EvenPorts : IPortAllocationStrategy
{
    public string Name => "EvenPorts";

    public int Pick(PortSearch search)
    {
        int first = search.FindFree(search.Ports.First);
        int found = first;
        while (found % 2 != 0)
        {
            found = search.FindFree(found + 1);
            if (found == first)
            {
                return first;                  // once round: no even port is free, or none at all
            }
        }

        return found;
    }
}

/// <summary>How it is chosen.</summary>
public static class EvenPortsOptions
{
    public static PortRegistryOptions Make() => new PortRegistryOptions { Ports = "50000-50999", Strategy = "EvenPorts" }.AddStrategy(new EvenPorts());
}
