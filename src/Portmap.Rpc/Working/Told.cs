using System.Globalization;

namespace Portmap.Rpc.Working;

/// <summary>What this process was told of one of its ports, by its environment.</summary>
/// <param name="name">Which port; null is the one without a name.</param>
internal readonly struct Told(string? name)
{
    /// <exception cref="FormatException">The variable is not an endpoint.</exception>
    public PortmapEndpoint Endpoint => name is not null && Get(PortmapVariables.Endpoint) is { } text
        ? PortmapEnvironment.ParseEndpoint(text, NameOf(PortmapVariables.Endpoint))
        : PortmapEnvironment.Endpoint;

    /// <summary>The variable's name for this port.</summary>
    public string NameOf(string variable) => PortmapVariables.Of(variable, name);

    public string? Get(string variable) => PortmapEnvironment.Get(NameOf(variable));

    /// <summary>A variable that counts for all ports of the process where it is not set for this
    /// one.</summary>
    public string? GetShared(string variable) => Get(variable) ?? PortmapEnvironment.Get(variable);

    /// <exception cref="FormatException">Neither the option nor the variable is a number within the
    /// bounds.</exception>
    public long Number(long? option, string variable, long least, long most, long fallback)
    {
        long value = option ?? fallback;
        string? text = option is not null ? null : variable == PortmapVariables.BindAttempts ? GetShared(variable) : Get(variable);
        if (text is not null && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value))
        {
            throw new FormatException($"{NameOf(variable)}: '{text}' is not a number from {least} to {most}.");
        }

        return value >= least && value <= most
            ? value
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{NameOf(variable)}: {value} is not a number from {least} to {most}."));
    }

    public InvalidOperationException NoOwner()
    {
        IReadOnlyList<PreparedPort> prepared = PortmapEnvironment.PreparedPorts;
        string others = prepared.Count == 0 ? string.Empty : $" This process was told of {string.Join(", ", prepared.Select(port => PortmapEnvironment.Said(port.Name)))}; ask for one of them by its name{(prepared[0].Name is null ? ", or without one" : string.Empty)}.";
        return new InvalidOperationException(
            $"Nobody said whose port this is: {NameOf(PortmapVariables.Owner)} is not set and the options name no owner; set one of them.{others}");
    }
}
