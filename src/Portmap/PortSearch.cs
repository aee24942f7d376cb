namespace Portmap;
/// <summary>x</summary>
public readonly struct PortSearch { 
/// <summary>x</summary>
public const int ProcessBrings = 0;
/// <summary>x</summary>
public const int Nothing = -1; }
