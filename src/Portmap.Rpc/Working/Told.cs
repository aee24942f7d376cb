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

    /// <summary>What was said, and the option or the variable that said it.</summary>
    /// <param name="option">The option; null leaves it to the environment.</param>
    /// <param name="optionName">What it is called.</param>
    /// <param name="variable">The variable.</param>
    /// <param name="isShared">Whether it counts for all ports of the process where it is not set
    /// for this one.</param>
    public (string? Text, string Source) Find(string? option, string optionName, string variable, bool isShared = false) =>
        option is not null ? (option, optionName)
        : Get(variable) is { } text ? (text, NameOf(variable))
        : (isShared ? PortmapEnvironment.Get(variable) : null, variable);

    /// <exception cref="FormatException">The option or the variable is no number within the
    /// bounds.</exception>
    public long Number(long? option, string optionName, string variable, in (long Least, long Most, long Fallback) bounds, bool isShared = false)
    {
        (string? text, string source) = Find(option?.ToString(CultureInfo.InvariantCulture), optionName, variable, isShared);
        return text is null ? bounds.Fallback
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value >= bounds.Least && value <= bounds.Most ? value
            : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{source}: '{text}' is not a number from {bounds.Least} to {bounds.Most}."));
    }

    public InvalidOperationException NoOwner()
    {
        IReadOnlyList<PreparedPort> prepared = PortmapEnvironment.PreparedPorts;
        string others = prepared.Count == 0 ? string.Empty : $" This process was told of {string.Join(", ", prepared.Select(port => PortmapEnvironment.Said(port.Name)))}; ask for one of them by its name{(prepared[0].Name is null ? ", or without one" : string.Empty)}.";
        return new InvalidOperationException(
            $"Nobody said whose port this is: {NameOf(PortmapVariables.Owner)} is not set and the options name no owner; set one of them.{others}");
    }
}
