namespace Portmap.Operations;

/// <summary>A change under way, made of steps that may be repeated.</summary>
/// <remarks>Implemented by structs that keep what the next step needs: an operation that is done at
/// once allocates nothing for it.</remarks>
internal interface IOperation
{
    /// <summary>Goes as far as it comes now.</summary>
    Answer Step();

    /// <summary>What could not be written, if a turn of the store fails; null when that is not the
    /// end of the operation: its own claim tells what became of it, or it waits for what is not its
    /// own.</summary>
    PortRefusal? WhenStoreFails(Exception failure);

    /// <summary>A step has thrown, or what it waits for never comes: whoever asked is told so, and
    /// nothing more comes of it.</summary>
    void WhenThrown(Exception exception)
    {
    }
}
